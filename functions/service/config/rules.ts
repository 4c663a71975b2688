import type { Fault } from './fault.ts';
import type { Settings } from './settings.ts';

/** What no single setting shows: settings that are right each by itself and wrong together. */
export function checkTogether(settings: Settings): Fault[] {
  return [
    ...checkPorts(settings),
    ...checkTls(settings),
    ...checkSources(settings),
    ...checkCache(settings),
    ...checkKeyPair(settings),
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

function checkTls({ P2PConfig }: Settings): Fault[] {
  if (!P2PConfig.ServeBySSL) return [];
  return [{ path: ['P2PConfig', 'ServeBySSL'], problem: 'true is not supported yet; set it to false' }];
}

function checkSources({ P2PConfig, OriginFallback }: Settings): Fault[] {
  if (P2PConfig.RunMode !== 'agent' || P2PConfig.RootList.length > 0 || OriginFallback) return [];
  const problem = 'an agent without roots can read nothing; name a root, or set OriginFallback: true';
  return [{ path: ['P2PConfig', 'RootList'], problem }];
}

function checkCache({ P2PConfig: { CacheConfig } }: Settings): Fault[] {
  return (['FileCacheSize', 'MemCacheSize'] as const).flatMap((key) => {
    if (CacheConfig[key] === 0 || CacheConfig[key] >= CacheConfig.ChunkSize) return [];
    const problem = `must hold one chunk (ChunkSize is ${CacheConfig.ChunkSize}), got ${CacheConfig[key]}; 0 turns it off`;
    return [{ path: ['P2PConfig', 'CacheConfig', key], problem }];
  });
}

function checkKeyPair({ S3 }: Settings): Fault[] {
  if (S3 === undefined || (S3.AccessKeyId === undefined) === (S3.SecretAccessKey === undefined)) return [];
  const missing = S3.AccessKeyId === undefined ? 'AccessKeyId' : 'SecretAccessKey';
  return [{ path: ['S3', missing], problem: 'is required here: the two keys come as a pair' }];
}
