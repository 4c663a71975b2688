import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endProcess } from '../support/daemon.ts';
import type { Fault } from '../support/fault.ts';
import { enterPlace, type Place } from '../support/place.ts';

/** What the origin's process is told; it answers each with a report. */
export type OriginOrder =
  | { readonly put: string; readonly size: number; readonly seed: string }
  | { readonly always: Fault }
  | { readonly forget: true }
  | { readonly report: true };

/** What the origin was asked since it was last told to forget. */
export interface OriginReport {
  readonly requests: number;
  /** Those that were answered with bytes of a blob. */
  readonly blobRequests: number;
  /** Bytes of bodies. */
  readonly bytes: number;
}

/** The test origin in a process of its own, which can be frozen and killed. */
export interface OriginProcess extends AsyncDisposable {
  readonly pid: number;
  /** Carries out one order. */
  tell(order: OriginOrder): Promise<OriginReport>;
}

const WORKER = fileURLToPath(new URL('origin-worker.ts', import.meta.url));

/** Starts the origin at a place. */
export async function startOriginProcess(place: Place, port: number): Promise<OriginProcess> {
  const args = [...process.execArgv, WORKER, place.address, String(port)];
  const child = spawn(...enterPlace(place, process.execPath, args), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const pid = child.pid ?? 0;
  await nextReport(child);
  let last: Promise<unknown> = Promise.resolve();
  return {
    pid,
    tell(order) {
      const told = last.then(() => {
        child.send(order);
        return nextReport(child);
      });
      last = told.catch(() => {});
      return told;
    },
    [Symbol.asyncDispose]: () => endProcess(pid, 'SIGKILL'),
  };
}

/** @throws Error when it ends instead. */
async function nextReport(child: ChildProcess): Promise<OriginReport> {
  const over = new AbortController();
  const ended = once(child, 'exit', { signal: over.signal }).then(() => {
    throw new Error('the origin ended');
  });
  try {
    const [report] = await Promise.race([once(child, 'message', { signal: over.signal }), ended]);
    return report as OriginReport;
  } finally {
    over.abort();
    ended.catch(() => {});
  }
}
