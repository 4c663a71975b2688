import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const MiB = 1024 ** 2;
export const GiB = 1024 ** 3;
/** Rates are printed in decimal gigabytes. */
export const GB = 1e9;

// USER_HZ: the unit of /proc/<pid>/stat on every Linux of today.
const TICKS_PER_SECOND = 100;

/** What a reader needs to judge the numbers; nothing that names the machine. */
export function machineFacts(): Record<string, string | number> {
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / GiB),
    kernel: release(),
    congestionControl: readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim(),
    node: process.versions.node,
    // nginx prints its version on stderr.
    nginx: outputOf('nginx -v 2>&1'),
    // An unpacked archive has no commit.
    commit: outputOf('git describe --always --dirty 2>/dev/null || echo unknown'),
  };
}

const outputOf = (command: string): string =>
  execFileSync('sh', ['-c', command], { encoding: 'utf8' }).trim();

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** @throws Error when the directory's file system has less than `bytes` free, or is memory. */
export function requireDisk(dir: string, bytes: number): void {
  const { type, bavail, bsize } = statfsSync(dir);
  if (type === 0x01021994) throw new Error('the temporary directory is a tmpfs: point TMPDIR at a disk');
  if (bavail * bsize < bytes)
    throw new Error(
      `the bench needs ${Math.ceil(bytes / GB)} GB of disk and finds ${Math.floor((bavail * bsize) / GB)}`,
    );
}

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly cpuSeconds: number;
}

function readStats(): Stat[] {
  const stats: Stat[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'utf8');
      // The command may hold spaces and parentheses; fields are counted from the last one. proc(5)
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      // utime, stime, and those of children that ended and were waited for.
      const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0);
      stats.push({ pid: Number(name), parent: Number(fields[1]), cpuSeconds: ticks / TICKS_PER_SECOND });
    } catch {
      // It ended while we were reading.
    }
  }
  return stats;
}

function treeOf(root: number, stats: readonly Stat[]): Stat[] {
  const tree = stats.filter(({ pid }) => pid === root);
  for (const member of tree) tree.push(...stats.filter(({ parent }) => parent === member.pid));
  return tree;
}

/** A process and its descendants, parents first. */
export function processTree(root: number): number[] {
  return treeOf(root, readStats()).map(({ pid }) => pid);
}

/** CPU seconds of a process tree, those of its ended members included. */
export function cpuSecondsOfTree(root: number): number {
  return treeOf(root, readStats()).reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
}

/** CPU seconds that everything on the machine has used, idle and waiting for disks left out. */
export function cpuSecondsOfMachine(): number {
  const [user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user! + nice! + system! + irq! + softirq!) / TICKS_PER_SECOND;
}

/**
 * Waits until a server does nothing more for what it already answered (chunk writes, checksums), so that work
 * off the client's path is counted too.
 */
export async function untilIdle(cpuSeconds: () => number): Promise<void> {
  const WINDOW_MS = 150;
  for (let before = cpuSeconds(), turn = 0; turn < 40; turn++) {
    await sleep(WINDOW_MS);
    const after = cpuSeconds();
    if (after - before <= 1 / TICKS_PER_SECOND) return;
    before = after;
  }
}

/**
 * Writes and deletes 1.2 GiB. A virtual machine's memory that is free for some seconds goes back to its host
 * and costs several times as much at its next touch: without this the first to run pays for everybody.
 */
export function warmFreeMemory(dir: string): void {
  const path = join(dir, 'ballast');
  const piece = Buffer.alloc(4 * MiB, 1);
  const file = openSync(path, 'w');
  for (let written = 0; written < 1.2 * GiB; written += piece.length) writeSync(file, piece);
  closeSync(file);
  rmSync(path);
}
