import { join, resolve } from 'node:path';
import { hasCode, P2PError } from '../../functions/protocol/errors.ts';
import { loadSettings } from '../../functions/service/config/load.ts';
import { type Override, parseOverride } from '../../functions/service/config/override.ts';
import type { Settings } from '../../functions/service/config/settings.ts';
import { createLog } from '../../functions/service/log.ts';
import { isListenFault } from '../bound-socket.ts';
import { type Ports, type SupervisedNode, superviseNode } from '../supervisor.ts';
import type { Arguments, Flag } from './arguments.ts';
import type { Command, World } from './command.ts';
import { stopOnSignals } from './stop-on-signals.ts';

const LOOPBACK = '127.0.0.1';
const DEFAULT_ORIGINS = ['preset:registries'];
const S3_BUCKET = 'dadip2p';

// Readable by anyone, on a registry of the preset that asks for no token.
const PUBLIC_EXAMPLE = 'https://mcr.microsoft.com/v2/mcr/hello-world/manifests/latest';

const START_FLAGS: readonly Flag[] = [
  { name: 'p2p-port', value: 'PORT', help: 'P2P port of the agent (19145)' },
  { name: 'proxy-port', value: 'PORT', help: 'port of its HTTP proxy (19245)' },
  { name: 'root-port', value: 'PORT', help: 'P2P port of the root (19143)' },
  { name: 'dir', value: 'DIR', help: 'where both keep their data (~/.dadip2p)' },
  {
    name: 'allow',
    value: 'ORIGIN',
    help: 'an origin that may be read, beside the public registries; repeatable',
  },
  {
    name: 's3',
    value: 'ENDPOINT',
    help: `keep the root's chunks in the bucket ${S3_BUCKET} there, not in a folder`,
  },
  { name: 'log-level', short: 'l', value: 'LEVEL', help: 'least severe events that are logged (warn)' },
];

/** `dadip2p start`: one root and one agent on this machine, reachable from it alone, until a signal stops them. */
export const START: Command = {
  name: 'start',
  usage: 'start [flags]',
  summary: 'run one root and one agent on this machine, without a file',
  flags: START_FLAGS,
  operands: 0,
  execute: start,
};

async function start({ flags }: Arguments, world: World): Promise<void> {
  const flag = (name: string) => flags.get(name)?.at(-1);
  const dir = resolve(flag('dir') ?? join(world.home, '.dadip2p'));
  const allowed = flags.get('allow') ?? [];
  const common = [
    parseOverride(['LogLevel'], flag('log-level') ?? world.env.DADIP2P_LogLevel ?? 'warn', '--log-level'),
    own(['P2PConfig', 'Host'], LOOPBACK),
    own(['ProxyConfig', 'Host'], LOOPBACK),
    own(['Admin', 'Host'], LOOPBACK),
    ...(allowed.length > 0
      ? [{ path: ['Origins'], value: [...DEFAULT_ORIGINS, ...allowed], source: '--allow' }]
      : []),
  ];
  const s3 = flag('s3');
  const rootSettings = load(world, [
    ...common,
    own(['P2PConfig', 'RunMode'], 'root'),
    parseOverride(['P2PConfig', 'Port'], flag('root-port') ?? '19143', '--root-port'),
    own(['P2PConfig', 'CacheConfig', 'FileCachePath'], join(dir, 'root')),
    own(['Admin', 'Port'], 0),
    ...(s3 === undefined
      ? []
      : [own(['S3', 'Bucket'], S3_BUCKET), { path: ['S3', 'Endpoint'], value: s3, source: '--s3' }]),
  ]);
  const agentOverrides = [
    ...common,
    own(['P2PConfig', 'RunMode'], 'agent'),
    parseOverride(['P2PConfig', 'Port'], flag('p2p-port') ?? '19145', '--p2p-port'),
    parseOverride(['ProxyConfig', 'Port'], flag('proxy-port') ?? '19245', '--proxy-port'),
    own(['P2PConfig', 'CacheConfig', 'FileCachePath'], join(dir, 'agent')),
    own(['ProxyConfig', 'CertConfig', 'CertPath'], join(dir, 'ca.crt')),
    own(['ProxyConfig', 'CertConfig', 'KeyPath'], join(dir, 'ca.key')),
    own(['ProxyConfig', 'CertConfig', 'GenerateCert'], true),
  ];
  const agentSettings = load(world, agentOverrides);

  const nodes: SupervisedNode[] = [];
  const stopWithUs = stopOnSignals();
  let starting: Promise<SupervisedNode> | undefined;
  let isOver = false;
  const running = (node: SupervisedNode): SupervisedNode => {
    nodes.push(node);
    stopWithUs(node);
    // The other one has failed meanwhile.
    if (isOver) node.stop();
    return node;
  };
  const parts = { log: createLog(rootSettings.LogLevel, { name: 'supervisor' }), worker: world.worker };
  try {
    const root = running(await superviseNode(rootSettings, parts).catch(naming('root', '--root-port')));
    const P2PConfig = { ...agentSettings.P2PConfig, RootList: [`${LOOPBACK}:${root.ports.p2p}`] };
    const agentAt = async (Port: number) => {
      const settings = { ...agentSettings, P2PConfig, Admin: { ...agentSettings.Admin, Port } };
      const node = await superviseNode(settings, parts).catch(naming('agent', '--p2p-port, --proxy-port'));
      await running(node).ready;
      return node;
    };
    // The admin port has no flag here, so a second `start` on other ports must not fail for it.
    starting = agentAt(agentSettings.Admin.Port).catch((error: unknown) => {
      if (isOver || !isListenFault(error, 'Admin.Port')) throw error;
      return agentAt(0);
    });
    const [agent] = await Promise.all([starting, root.ready]);
    world.print(
      formatGuide({ root: root.ports, agent: agent.ports, dir, s3, settings: agentSettings, allowed }),
    );
    world.print('ready');
    await Promise.all([root.ended, agent.ended]);
  } catch (error) {
    // Stopped before both served, as asked.
    if (!hasCode(error, 'DRAINING')) throw error;
  } finally {
    isOver = true;
    for (const node of nodes) node.stop();
    await starting?.catch(() => undefined);
    await Promise.allSettled(nodes.map((node) => node.ended));
  }
}

const own = (path: readonly string[], value: unknown): Override => ({ path, value, source: 'dadip2p start' });

const load = (world: World, overrides: readonly Override[]) =>
  loadSettings({ text: undefined, file: 'dadip2p start', env: world.env, overrides });

/** Passes a fault on with the node it is in, and the flags that choose its ports. */
const naming = (node: string, flags: string) => (error: Error) => {
  throw hasCode(error, 'CONFIG_INVALID')
    ? new P2PError('CONFIG_INVALID', `${node} (${flags}): ${error.message}`, { cause: error })
    : error;
};

interface Started {
  readonly root: Ports;
  readonly agent: Ports;
  readonly dir: string;
  readonly s3: string | undefined;
  readonly settings: Settings;
  readonly allowed: readonly string[];
}

function formatGuide({ root, agent, dir, s3, settings, allowed }: Started): string {
  const example = allowed.map(exampleUrl).find((url) => url !== undefined) ?? PUBLIC_EXAMPLE;
  return `One root and one agent serve this machine. Ctrl-C stops them.

  download  curl -L http://${LOOPBACK}:${agent.p2p}/${settings.P2PConfig.APIKey}/${example}
  by proxy  export http_proxy=http://${LOOPBACK}:${agent.proxy}
  HTTPS     curl --proxy http://${LOOPBACK}:${agent.proxy} --cacert ${settings.ProxyConfig.CertConfig.CertPath} https://…
  origins   ${settings.Origins.join(', ')}${allowed.length > 0 ? '' : ' (--allow ORIGIN adds one)'}
  cache     ${join(dir, 'agent')} (agent), ${s3 ?? join(dir, 'root')} (root)
  ports     ${agent.p2p} P2P, ${agent.proxy} proxy, ${agent.admin} admin, ${root.p2p} root, ${root.admin} root's admin
`;
}

/** A URL at an origin of the list; `undefined` for one that stands for many hosts. */
function exampleUrl(origin: string): string | undefined {
  if (origin.startsWith('*.') || origin.startsWith('preset:')) return undefined;
  return new URL('/', origin.includes('://') ? origin : `https://${origin}`).href;
}
