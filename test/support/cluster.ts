import type { Settings } from '../../functions/service/config/settings.ts';
import { freePort } from './daemon.ts';
import { type Configured, type NodeProcess, startNode } from './node-process.ts';
import { startRoot } from './pair.ts';

/** What a cluster is started with. */
export interface ClusterOptions {
  /** `Origins` of all nodes. */
  readonly origins: readonly string[];
  readonly agents: number;
  /** Default: 64 KiB, so that small blobs have many chunks. */
  readonly chunkSize?: string;
  /** Laid over each agent's settings. */
  readonly agent?: Configured<Settings>;
  /** Laid over the environment of the first agent. */
  readonly firstEnv?: Readonly<Record<string, string>>;
  /** URLs of further siblings, which are no processes of ours. */
  readonly strangers?: readonly string[];
}

/** A root and agents that know each other, as real processes. */
export interface Cluster extends AsyncDisposable {
  readonly root: NodeProcess;
  readonly agents: readonly NodeProcess[];
  /** The agent that others know by this URL. */
  at(url: string): NodeProcess;
}

/** What the nodes of a test's cluster share. */
export const CLUSTER_SECRET = 'a secret that is known to the nodes of a test alone';

/** Starts a root and agents that are listed to each other. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { origins, chunkSize = '64KiB', agent = {}, firstEnv, strangers = [] } = options;
  const [rootPort = 0, ...ports] = await freePorts(options.agents + 1);
  const siblings = [...ports.map((port) => `127.0.0.1:${port}`), ...strangers];
  const shared = { Origins: origins, Secret: [CLUSTER_SECRET] };
  const starting = [
    startRoot({ origins, chunkSize, root: { ...shared, P2PConfig: { Port: rootPort } } }),
    ...ports.map((port, index) =>
      startNode({
        ...(index === 0 && firstEnv && { env: firstEnv }),
        settings: {
          ...shared,
          ...agent,
          P2PConfig: {
            RootList: [`127.0.0.1:${rootPort}`],
            Siblings: siblings,
            NodeIP: '127.0.0.1',
            Port: port,
            ...agent.P2PConfig,
            CacheConfig: { ChunkSize: chunkSize, ...agent.P2PConfig?.CacheConfig },
          },
        },
      }),
    ),
  ];
  const outcomes = await Promise.allSettled(starting);
  const nodes = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const end = async () => {
    await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
  };
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) {
    await end();
    throw failed.reason;
  }
  const [root, ...agents] = nodes as [NodeProcess, ...NodeProcess[]];
  return {
    root,
    agents,
    at: (url) => agents.find((one) => one.url === url) as NodeProcess,
    [Symbol.asyncDispose]: end,
  };
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}
