import type { Settings } from '../../functions/service/config/settings.ts';
import { get } from './client.ts';
import { freePort } from './daemon.ts';
import { type Configured, type NodeProcess, startNode } from './node-process.ts';
import type { Hosts } from './own-hosts.ts';
import { until } from './until.ts';

/** What the nodes of a network of ours are started with. */
export interface PairOptions {
  /** `Origins` of all nodes. */
  readonly origins: readonly string[];
  /** Default: 64 KiB, so that small blobs have many chunks. */
  readonly chunkSize?: string;
  /** Names that all nodes know beside those of DNS; takes root. */
  readonly hosts?: Hosts;
  /** Laid over the environment of all nodes. */
  readonly env?: Readonly<Record<string, string>>;
  /** Laid over the root's settings. */
  readonly root?: Configured<Settings>;
  /** Laid over each agent's settings. */
  readonly agent?: Configured<Settings>;
}

/** One root, and agents below it, as real processes. */
export interface Pair extends AsyncDisposable {
  readonly root: NodeProcess;
  readonly agent: NodeProcess;
  readonly agents: readonly NodeProcess[];
}

/** Short limits, so that a test of a hung upstream need not wait for ten seconds; a busy machine is not taken for one. */
export const SHORT_TIMEOUTS = { Connect: '2s', FirstByte: '2s', Idle: '2s' } as const;

/** Starts a root and one agent, or more, that ask it. */
export async function startPair(options: PairOptions, agentCount = 1): Promise<Pair> {
  // All at once, which halves the wait: so the root's port is chosen before it is taken.
  const port = await freePort();
  const { root } = options;
  const wanted = { ...options, root: { ...root, P2PConfig: { ...root?.P2PConfig, Port: port } } };
  const starting = [
    startRoot(wanted),
    ...Array.from({ length: agentCount }, () => startAgent(options, [`127.0.0.1:${port}`])),
  ];
  const outcomes = await Promise.allSettled(starting);
  const nodes = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const [first, ...agents] = nodes as [NodeProcess, ...NodeProcess[]];
  const end = async () => {
    await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
  };
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) {
    await end();
    throw failed.reason;
  }
  return { root: first, agent: agents[0] as NodeProcess, agents, [Symbol.asyncDispose]: end };
}

/** Starts a root. */
export const startRoot = ({
  origins,
  chunkSize = '64KiB',
  hosts,
  env,
  root = {},
}: PairOptions): Promise<NodeProcess> =>
  startNode({
    ...(hosts && { hosts }),
    ...(env && { env }),
    settings: {
      Origins: origins,
      ...root,
      P2PConfig: {
        RunMode: 'root',
        ...root.P2PConfig,
        CacheConfig: { ChunkSize: chunkSize, ...root.P2PConfig?.CacheConfig },
      },
    },
  });

/** Starts an agent of these roots. */
export const startAgent = (
  { origins, chunkSize = '64KiB', hosts, env, agent = {} }: PairOptions,
  roots: readonly string[],
): Promise<NodeProcess> =>
  startNode({
    ...(hosts && { hosts }),
    ...(env && { env }),
    settings: {
      Origins: origins,
      ...agent,
      P2PConfig: {
        RootList: roots,
        ...agent.P2PConfig,
        CacheConfig: { ChunkSize: chunkSize, ...agent.P2PConfig?.CacheConfig },
      },
    },
  });

/** Where a node serves what an origin has: the prefix form. */
export const through = (node: NodeProcess, originUrl: string): string => `${node.url}/dadip2p/${originUrl}`;

/** The sum over a metric's series that carry all these labels, as `name="value"`. */
export async function metric(node: NodeProcess, name: string, ...labels: string[]): Promise<number> {
  const { text } = await get(`${node.adminUrl}/metrics`);
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** How many requests for blobs a node has answered. */
export const repliesOf = (node: NodeProcess): Promise<number> =>
  metric(node, 'p2p_replies_total', 'way="p2p"');

/** How many bytes of blobs a node has served, once that is `bytes` or more: they are counted after the client has them. */
export const servedBytes = (node: NodeProcess, bytes: number): Promise<number> =>
  until(`${bytes} bytes served`, async () => {
    const served = await metric(node, 'p2p_served_bytes_total');
    return served >= bytes ? served : undefined;
  });
