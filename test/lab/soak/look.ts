import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
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

/** What a node is started with so that it can be looked at: see `collect.mjs`. */
export const LOOKED_AT = { NODE_OPTIONS: `--import=${new URL('collect.mjs', import.meta.url)}` };
const COLLECTED_MS = 200;
// SIGUSR2 in the mask of those that a process handles.
const HANDLED = 1n << 11n;

/** Looks at a node that runs, once it has collected its garbage: how much of that lies about says nothing of leaks. */
export async function lookAt({ program }: NodeMachine, seconds: number): Promise<Look> {
  await collect(program.workerPid);
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

async function collect(pid: number): Promise<void> {
  const handled = /^SigCgt:\s+(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  // One that was started with another clock does not listen: it would end.
  if ((BigInt(`0x${handled ?? 0}`) & HANDLED) === 0n) return;
  process.kill(pid, 'SIGUSR2');
  await wait(COLLECTED_MS);
}
