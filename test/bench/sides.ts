import { createHash } from 'node:crypto';
import { get } from 'node:http';
import type { Reading } from './drain.ts';
import { GiB, MiB } from './machine.ts';
import { type Origin, startSliceCache } from './nginx.ts';
import { API_KEY, isBuilt, startNode } from './node.ts';
import type { Running, Scope } from './scope.ts';

/** One competitor: where to read a path of the origin through it, and what its processes have cost. */
export interface Side {
  readonly name: SideName;
  reading(paths: readonly string[], bytes: number): Reading;
  cpuSeconds(): number;
  stop(): Promise<void>;
}

export type SideName =
  | 'nginx static'
  | 'nginx slice'
  | 'nginx slice x2'
  | 'agent'
  | 'agent disk'
  | 'agent+root';

/** Caches whose working set is hot: ours once from memory and once from disk. */
export const HOT_SIDES: readonly SideName[] = ['nginx slice', 'nginx static', 'agent', 'agent disk'];
/**
 * Here nginx static is the direct way, with no cache between, and nginx slice x2 one cache behind another, as an agent
 * and a root are. Ours keep 64 MiB in memory, the rest on disk.
 */
export const COLD_SIDES: readonly SideName[] = [
  'nginx slice',
  'nginx slice x2',
  'nginx static',
  'agent disk',
  'agent+root',
];

/** Starts sides in front of `upstreamPort`: the origin's own, or that of the slow link before it. */
export async function startSides(
  scope: Scope,
  names: readonly SideName[],
  origin: Origin,
  upstreamPort: number,
): Promise<Side[]> {
  const host = `127.0.0.1:${upstreamPort}`;
  const prefix = `/${API_KEY}/http://${host}`;
  const side = (name: SideName, servers: readonly Running[], port: number, base: string): Side => ({
    name,
    reading: (paths, bytes) => ({
      port,
      host: `127.0.0.1:${port}`,
      targets: paths.map((path) => base + path),
      bytes,
    }),
    cpuSeconds: () => servers.reduce((sum, server) => sum + server.cpuSeconds(), 0),
    stop: async () => {
      // The origin outlives its sides.
      for (const server of servers) if (server !== origin) await server.stop();
    },
  });
  const agent = async (name: SideName, memoryBytes: number) => {
    const node = await startNode(scope, {
      name: fileName(name),
      mode: 'agent',
      originPort: upstreamPort,
      memoryBytes,
    });
    return side(name, [node], node.port, prefix);
  };
  const starters: Record<SideName, () => Promise<Side>> = {
    'nginx static': async () => side('nginx static', [origin], upstreamPort, ''),
    'nginx slice': async () => {
      const slice = await startSliceCache(scope, upstreamPort, 'nginx-slice');
      return side('nginx slice', [slice], slice.port, '');
    },
    'nginx slice x2': async () => {
      const far = await startSliceCache(scope, upstreamPort, 'nginx-slice-far');
      const near = await startSliceCache(scope, far.port, 'nginx-slice-near');
      return side('nginx slice x2', [near, far], near.port, '');
    },
    agent: () => agent('agent', 1.5 * GiB),
    'agent disk': () => agent('agent disk', 64 * MiB),
    'agent+root': async () => {
      const memoryBytes = 64 * MiB;
      const root = await startNode(scope, {
        name: 'root',
        mode: 'root',
        originPort: upstreamPort,
        memoryBytes,
      });
      const node = await startNode(scope, {
        name: 'agent-root',
        mode: 'agent',
        originPort: upstreamPort,
        memoryBytes,
        rootPort: root.port,
      });
      return side('agent+root', [node, root], node.port, prefix);
    },
  };
  const sides: Side[] = [];
  for (const name of names) if (isBuilt() || !isOurs(name)) sides.push(await starters[name]());
  return sides;
}

export const isOurs = (name: SideName): boolean => name.startsWith('agent');

const fileName = (name: SideName): string => name.replace(/\W/g, '-');

/** sha-256 of the bytes a side answers: a bench of wrong bytes would be worth nothing. */
export function digestThrough(side: Side, path: string): Promise<string> {
  const { port, host, targets } = side.reading([path], 0);
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    get({ port, host: '127.0.0.1', path: targets[0], headers: { host } }, (reply) => {
      if (reply.statusCode !== 200) reject(new Error(`${side.name} answers ${reply.statusCode} for ${path}`));
      reply.on('data', (bytes) => hash.update(bytes));
      reply.on('end', () => resolve(hash.digest('hex')));
      reply.on('error', reject);
    }).on('error', reject);
  });
}
