import type { P2PError } from '../../protocol/errors.ts';
import { OriginAccess } from '../origin-access.ts';
import type { Fault } from './fault.ts';
import { FORMAT_CHECKS } from './formats.ts';
import type { Settings } from './settings.ts';

/** What no single setting shows: settings that are right each by itself and wrong together. */
export function checkTogether(settings: Settings): Fault[] {
  return [
    ...checkPorts(settings),
    ...checkTls(settings),
    ...checkSources(settings),
    ...checkSiblings(settings),
    ...checkCache(settings),
    ...checkKeyPair(settings),
    ...checkMirror(settings),
    ...checkRules(settings),
    ...checkReverse(settings),
  ];
}

function checkPorts({ ProxyConfig, P2PConfig, Admin }: Settings): Fault[] {
  const ports = [
    // A root has no proxy port.
    ...(P2PConfig.RunMode === 'agent' ? [{ path: ['ProxyConfig', 'Port'], port: ProxyConfig.Port }] : []),
    { path: ['P2PConfig', 'Port'], port: P2PConfig.Port },
    { path: ['Admin', 'Port'], port: Admin.Port },
  ];
  return ports.flatMap(({ path, port }, at) => {
    const earlier = ports.slice(0, at).find((other) => other.port === port);
    if (port === 0 || earlier === undefined) return [];
    return [{ path, problem: `must differ from ${earlier.path.join('.')}, both are ${port}` }];
  });
}

function checkTls({ P2PConfig, Secret }: Settings): Fault[] {
  const { ServeBySSL, CertConfig } = P2PConfig;
  const files = ['CertPath', 'KeyPath', 'CAPath'] as const;
  const missing = files.filter((key) => CertConfig[key] === '');
  if (!ServeBySSL || missing.length === 0) return [];
  if (missing.length < files.length) {
    const problem = 'is required here: certificate, key and authority come together';
    return missing.map((key) => ({ path: ['P2PConfig', 'CertConfig', key], problem }));
  }
  if (Secret.length > 0) return [];
  const problem = 'takes a Secret, of which certificates are made, or the files of P2PConfig.CertConfig';
  return [{ path: ['P2PConfig', 'ServeBySSL'], problem }];
}

function checkSources({ P2PConfig, OriginFallback }: Settings): Fault[] {
  if (P2PConfig.RunMode !== 'agent' || P2PConfig.RootList.length > 0 || OriginFallback) return [];
  const problem = 'an agent without roots can read nothing; name a root, or set OriginFallback: true';
  return [{ path: ['P2PConfig', 'RootList'], problem }];
}

function checkSiblings({ P2PConfig: { RunMode, Siblings }, Secret }: Settings): Fault[] {
  // The directory, which is the default, is simply not asked for.
  const named = Siblings.findIndex((entry) => entry !== 'directory');
  if (RunMode !== 'agent' || named === -1 || Secret.length > 0) return [];
  const problem =
    'takes a Secret, the same on all nodes: without one nothing proves what a sibling sends; set Secret, or Siblings: []';
  return [{ path: ['P2PConfig', 'Siblings', String(named)], problem }];
}

function checkCache({ P2PConfig: { CacheConfig } }: Settings): Fault[] {
  return (['FileCacheSize', 'MemCacheSize'] as const).flatMap((key) => {
    if (CacheConfig[key] === 0 || CacheConfig[key] >= CacheConfig.ChunkSize) return [];
    const problem = `must hold one chunk (ChunkSize is ${CacheConfig.ChunkSize}), got ${CacheConfig[key]}; 0 turns it off`;
    return [{ path: ['P2PConfig', 'CacheConfig', key], problem }];
  });
}

function checkMirror({ P2PConfig, Mirror, Origins }: Settings): Fault[] {
  if (P2PConfig.RunMode !== 'agent') return [];
  const access = new OriginAccess(Origins);
  return Object.entries(Mirror.Registries).flatMap(([name, origin]) => {
    const path = ['Mirror', 'Registries', name];
    if (FORMAT_CHECKS.host(name) !== undefined && FORMAT_CHECKS['host-port'](name) !== undefined) {
      return [{ path, problem: 'must be named as clients name it: host or host:port' }];
    }
    try {
      access.checkListed(new URL(origin));
      return [];
    } catch (refusal) {
      return [{ path, problem: (refusal as P2PError).message }];
    }
  });
}

function checkKeyPair({ S3 }: Settings): Fault[] {
  if (S3 === undefined || (S3.AccessKeyId === undefined) === (S3.SecretAccessKey === undefined)) return [];
  const missing = S3.AccessKeyId === undefined ? 'AccessKeyId' : 'SecretAccessKey';
  return [{ path: ['S3', missing], problem: 'is required here: the two keys come as a pair' }];
}

/** As JSON Schema would say it in words that nobody understands: a preset alone, or a condition and an action. */
function checkRules({ ProxyConfig }: Settings): Fault[] {
  return ProxyConfig.Rules.flatMap((rule, at) => {
    const path = ['ProxyConfig', 'Rules', String(at)];
    if ('Preset' in rule) {
      const beside = Object.keys(rule).filter((key) => key !== 'Preset');
      return beside.map((key) => ({ path: [...path, key], problem: 'cannot stand beside Preset' }));
    }
    const faults: Fault[] = [];
    if (rule.Match === undefined && rule.Hosts === undefined) {
      faults.push({ path, problem: 'needs Preset, Match or Hosts' });
    }
    if (rule.Action === undefined) faults.push({ path: [...path, 'Action'], problem: 'is required here' });
    return faults;
  });
}

function checkReverse({ ProxyConfig }: Settings): Fault[] {
  return ProxyConfig.Reverse.flatMap(({ Host, Path }, at) =>
    (Host === undefined) === (Path === undefined)
      ? [{ path: ['ProxyConfig', 'Reverse', String(at)], problem: 'needs one of Host and Path' }]
      : [],
  );
}
