import { readFileSync } from 'node:fs';
import { get } from '../../support/client.ts';
import type { NodeMachine } from '../cluster.ts';

/** What a node holds at one moment, and what it says of itself. */
export interface Look {
  /** Since the run began. */
  readonly seconds: number;
  /** Bytes in RAM, and of them those that are in no file: the rest is the program itself, which others share. */
  readonly rss: number;
  readonly anonymous: number;
  /** Of V8: what is in use, what it has taken for that, and buffers outside of it. */
  readonly heapUsed: number;
  readonly heapTaken: number;
  readonly external: number;
  /** Open files, sockets and pipes. */
  readonly files: number;
  /** Chunks being fetched. */
  readonly flights?: number;
  /** Agents that an agent knows. */
  readonly members?: number;
  readonly cacheBytes?: number;
}

/** Looks at a node that runs. */
export async function lookAt({ program }: NodeMachine, seconds: number): Promise<Look> {
  const { text } = await get(`${program.adminUrl}/metrics`);
  const count = (name: string) => {
    const value = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1];
    return value === undefined ? undefined : Number(value);
  };
  const mapped = readFileSync(`/proc/${program.workerPid}/smaps_rollup`, 'utf8');
  const bytes = (name: string) =>
    1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(mapped)?.[1] ?? 0);
  const [flights, members, cacheBytes] = ['p2p_flights', 'p2p_members', 'p2p_cache_bytes'].map(count);
  return {
    seconds,
    rss: bytes('Rss'),
    anonymous: bytes('Anonymous'),
    heapUsed: count('nodejs_heap_size_used_bytes') ?? 0,
    heapTaken: count('nodejs_heap_size_total_bytes') ?? 0,
    external: count('nodejs_external_memory_bytes') ?? 0,
    files: program.openFiles(),
    ...(flights !== undefined && { flights }),
    ...(members !== undefined && { members }),
    ...(cacheBytes !== undefined && { cacheBytes }),
  };
}
