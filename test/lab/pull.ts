import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { enterPlace, type Place } from '../support/place.ts';

/** What pull.c reports. */
interface PullReport {
  /** 0 when no reply began. */
  readonly status: number;
  readonly bytes: number;
  /** What the reply declared; -1 when it did not. */
  readonly length: number;
  /** Offset of the first byte that was not as it should be; -1 when there was none. */
  readonly wrongAt: number;
  readonly seconds: number;
  readonly firstByteSeconds: number;
  /** The longest time in which nothing arrived. */
  readonly longestPauseSeconds: number;
  /** Empty when the reply ended as it should. */
  readonly error: string;
}

/**
 * How a read of a whole blob ended, in one word. `wrong` arrived whole and is not the blob; `spoilt` had a wrong byte
 * too, but was cut off; what arrived is right as far as it goes in all others.
 */
export type Ending = 'right' | 'wrong' | 'spoilt' | 'refused' | 'broken' | 'stalled';

/** One read of a whole blob by a client of a host. */
export interface Pulled extends PullReport {
  readonly ending: Ending;
}

/** A read that is under way. */
export interface Pull {
  /** Resolves when so many quarters have arrived, or it has ended. */
  arrived(quarters: 1 | 2 | 3): Promise<void>;
  readonly ended: Promise<Pulled>;
}

/** What is read, and by which way in. */
export interface PullRequest {
  /** The program that pull.c is compiled to. */
  readonly program: string;
  readonly at: Place;
  readonly host: string;
  readonly port: number;
  readonly target: string;
  readonly headers: readonly string[];
  /** A file of the bytes that should arrive. */
  readonly rightFile: string;
  /** Gives up when nothing has arrived for so long. */
  readonly idleSeconds: number;
}

/** Starts reading a blob and comparing it. */
export function startPull(request: PullRequest): Pull {
  const { program, at, host, port, target, headers, rightFile, idleSeconds } = request;
  const args = [host, String(port), target, rightFile, String(idleSeconds), ...headers];
  const child = spawn(...enterPlace(at, program, args), { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  let complaint = '';
  const waiting = new Map<number, () => void>();
  const marks = [1, 2, 3].map((quarter) => new Promise<void>((resolve) => waiting.set(quarter, resolve)));
  child.stderr.on('data', (text) => {
    complaint += text;
  });
  child.stdout.on('data', (text) => {
    printed += text;
    for (const [, quarter] of printed.matchAll(/^at (\d)$/gm))
      for (let passed = 1; passed <= Number(quarter); passed += 1) waiting.get(passed)?.();
  });
  const ended = once(child, 'close').then(() => {
    for (const resolve of waiting.values()) resolve();
    const last = printed.trimEnd().split('\n').at(-1) ?? '';
    if (!last.startsWith('{')) throw new Error(`a client failed: ${complaint || printed || child.exitCode}`);
    const report = JSON.parse(last) as PullReport;
    return { ...report, ending: endingOf(report) };
  });
  return { arrived: (quarters) => marks[quarters - 1] as Promise<void>, ended };
}

function endingOf({ status, bytes, length, wrongAt, error }: PullReport): Ending {
  const isWhole = error === '' && bytes === length;
  if (wrongAt >= 0) return isWhole ? 'wrong' : 'spoilt';
  if (isWhole && status === 200) return 'right';
  if (error === 'stalled') return 'stalled';
  return bytes === 0 ? 'refused' : 'broken';
}
