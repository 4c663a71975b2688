import { join } from 'node:path';
import type { Settings } from '../../functions/service/config/settings.ts';
import { startMinio } from '../support/minio.ts';
import { type Configured, mergeSettings, type NodeProcess, startNode } from '../support/node-process.ts';
import { metric } from '../support/pair.ts';
import type { S3Server } from '../support/s3-server.ts';
import { until } from '../support/until.ts';
import { type Machine, startMachine } from './machine.ts';
import type { Host, Network } from './network.ts';
import { type OriginProcess, startOriginProcess } from './origin-process.ts';

/** A host that runs one of our nodes. */
export type NodeMachine = Machine<NodeProcess>;

/** How many of what, and how they are set. */
export interface ClusterOptions {
  /** On a file system that the nodes' caches may fill. */
  readonly dir: string;
  readonly agents: number;
  readonly roots: number;
  readonly chunkSize: string;
  /** How far roots, S3 and the origin are from the agents, one way; default: not at all. */
  readonly delayMs?: number;
  /** Laid over each agent's settings. */
  readonly agent?: (index: number, address: string) => Configured<Settings>;
  /** Laid over each root's. */
  readonly root?: Configured<Settings>;
  readonly env?: Readonly<Record<string, string>>;
}

/** Agents, roots, S3 and an origin, each on a host and a link of its own. */
export interface Cluster extends AsyncDisposable {
  readonly agents: readonly NodeMachine[];
  readonly roots: readonly NodeMachine[];
  readonly s3: Machine<S3Server>;
  readonly origin: Machine<OriginProcess>;
  readonly originUrl: string;
}

export const PORTS = { p2p: 19145, proxy: 19245, admin: 19345, origin: 80, s3: 9000 } as const;
const SECRET = 'the lab needs no secret, but its nodes do';
/** What each node's API is asked with. */
export const API_TOKEN = 'the-lab-has-nothing-to-hide-from-itself';
const FOUND_MS = 30_000;
// Roots, S3 and the origin have machines of their own; on the processors that they share here with all agents they would
// get less to do their work with the more agents there are.
const SERVER_NICENESS = -10;

/** The name by which clients of the mirror know the origin. */
export const REGISTRY = 'registry.lab';
/** The path of the reverse proxy that stands for the origin. */
export const REVERSE_PATH = '/reverse/';

/** The address of the agent, counted from 0. */
export const agentAddress = (index: number): string => `10.77.1.${index + 1}`;
const rootAddress = (index: number) => `10.77.2.${index + 1}`;
const S3_ADDRESS = '10.77.3.1';
const ORIGIN_ADDRESS = '10.77.4.1';

/** Starts all of them, agents last and at once; they have found each other when this resolves. */
export async function startCluster(network: Network, options: ClusterOptions): Promise<Cluster> {
  const { delayMs } = options;
  const far = delayMs === undefined ? {} : { delayMs };
  const originUrl = `http://${ORIGIN_ADDRESS}:${PORTS.origin}`;
  const addServer = async (name: string, address: string): Promise<Host> => {
    const host = await network.addHost(name, address, far);
    return { ...host, enter: [...host.enter, 'nice', '-n', String(SERVER_NICENESS)] };
  };
  const [s3Host, originHost] = [await addServer('s3', S3_ADDRESS), await addServer('origin', ORIGIN_ADDRESS)];
  const s3 = await startMachine(s3Host, {
    start: () => startMinio(s3Host, PORTS.s3),
    pids: ({ pid }) => [pid],
  });
  const origin = await startMachine(originHost, {
    start: () => startOriginProcess(originHost, PORTS.origin),
    pids: ({ pid }) => [pid],
  });
  const { endpoint, bucket, region, accessKeyId, secretAccessKey } = s3.program;
  const common: Configured<Settings> = {
    LogLevel: 'info',
    Secret: [SECRET],
    Origins: [originUrl],
    Admin: { Host: '0.0.0.0', Port: PORTS.admin, Tokens: [API_TOKEN] },
    P2PConfig: { Host: '0.0.0.0', Port: PORTS.p2p, CacheConfig: { ChunkSize: options.chunkSize } },
  };
  const root = mergeSettings(
    mergeSettings(common, {
      // Room for all that is read at once, so that it need not go to S3 meanwhile.
      P2PConfig: { RunMode: 'root', CacheConfig: { MemCacheSize: '1GiB' } },
      S3: {
        Endpoint: endpoint,
        Bucket: bucket,
        Region: region,
        AccessKeyId: accessKeyId,
        SecretAccessKey: secretAccessKey,
      },
    }),
    options.root,
  );
  const agent = mergeSettings(common, {
    P2PConfig: {
      RootList: Array.from({ length: options.roots }, (_, index) => `${rootAddress(index)}:${PORTS.p2p}`),
      Siblings: ['directory'],
    },
    ProxyConfig: { Port: PORTS.proxy, Reverse: [{ Path: REVERSE_PATH, Origin: originUrl, StripPath: true }] },
    Mirror: { Registries: { [REGISTRY]: originUrl } },
  });

  const { env = {} } = options;
  const roots: NodeMachine[] = [];
  for (let index = 0; index < options.roots; index += 1) {
    const host = await addServer(`root${index + 1}`, rootAddress(index));
    roots.push(await startNodeMachine(host, options.dir, root, env));
  }
  const hosts: Host[] = [];
  for (let index = 0; index < options.agents; index += 1)
    hosts.push(await network.addHost(`agent${index + 1}`, agentAddress(index)));
  const agents = await Promise.all(
    hosts.map((host, index) =>
      startNodeMachine(host, options.dir, mergeSettings(agent, options.agent?.(index, host.address)), env),
    ),
  );
  await until('agents that know each other', () => allKnow(agents), FOUND_MS);
  return {
    agents,
    roots,
    s3,
    origin,
    originUrl,
    async [Symbol.asyncDispose]() {
      await Promise.all([...agents, ...roots, s3, origin].map((machine) => machine.kill()));
    },
  };
}

/** Whether each agent has all of them in its list. */
async function allKnow(agents: readonly NodeMachine[]): Promise<boolean> {
  const known = await Promise.all(agents.map(({ program }) => metric(program, 'p2p_members')));
  return known.every((count) => count === agents.length);
}

/** Starts a node on a host; its cache outlives a kill. */
function startNodeMachine(
  host: Host,
  dir: string,
  settings: Configured<Settings>,
  env: Readonly<Record<string, string>>,
): Promise<NodeMachine> {
  const own: Configured<Settings> = {
    P2PConfig: { NodeIP: host.address, CacheConfig: { FileCachePath: cacheDirOf(dir, host.name) } },
  };
  return startMachine(host, {
    start: (more = {}) =>
      startNode({ place: host, settings: mergeSettings(settings, own), env: { ...env, ...more } }),
    pids: ({ pid, workerPid }) => [pid, workerPid],
  });
}

/** Where a host's node keeps its cache. */
export const cacheDirOf = (dir: string, name: string): string => join(dir, name);
