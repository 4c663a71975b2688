import cliProgress from 'cli-progress';
import type { World } from '../cli/command.ts';

/** Shows how far something is, to a person or in a log. */
export interface Show {
  /** Bytes that are there, of how many. */
  update(done: number, total: number): void;
  stop(): void;
}

const PERCENT_A_LINE = 10;

/** A bar where there is a terminal, else a line for each tenth. */
export function showProgress(label: string, { terminal, print }: Pick<World, 'terminal' | 'print'>): Show {
  return terminal === undefined ? lines(label, print) : bar(label, terminal);
}

function bar(label: string, stream: NodeJS.WritableStream): Show {
  const drawn = new cliProgress.SingleBar(
    {
      stream,
      format: `${label} {bar} {percentage}% | {done} of {all} | {eta_formatted} left`,
      hideCursor: true,
    },
    cliProgress.Presets.shades_classic,
  );
  const told = (done: number, total: number) => ({ done: formatBytes(done), all: formatBytes(total) });
  let isStarted = false;
  return {
    update(done, total) {
      if (isStarted) drawn.setTotal(total);
      else drawn.start(total, done, told(done, total));
      isStarted = true;
      drawn.update(done, told(done, total));
    },
    stop: () => drawn.stop(),
  };
}

function lines(label: string, print: World['print']): Show {
  let told = 0;
  return {
    update(done, total) {
      const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
      if (percent < told + PERCENT_A_LINE) return;
      told = percent - (percent % PERCENT_A_LINE);
      print(`${label} ${told}%: ${formatBytes(done)} of ${formatBytes(total)}`);
    },
    stop: () => {},
  };
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `12.3 MB`. */
export function formatBytes(bytes: number): string {
  const unit = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** unit).toFixed(unit === 0 ? 0 : 1)} ${UNITS[unit]}`;
}
