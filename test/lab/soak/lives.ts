import { until } from '../../support/until.ts';
import type { NodeMachine } from '../cluster.ts';
import { type Look, lookAt } from './look.ts';
import { growth, lows } from './slope.ts';

/** What was seen of one node since it was started last. */
export interface Life {
  readonly pid: number;
  readonly looks: Look[];
}

/** By how much a node grew once it was warm, as a share of the mean. */
export interface Growth {
  readonly rss: number;
  readonly files: number;
}

// What a node may grow by over a run, of its mean: memory comes and goes by as much.
const FLAT = 0.2;
// The memory tier (64 MiB) and the disk cache (128 MiB) are full after six blobs, the pools of buffers as soon as many
// transfers meet for the first time; V8 finds the size of its heap by a few full collections.
const WARM_SECONDS = 120;
// Fewer looks make no line.
const MIN_LOOKS = 32;
// Connections that a fault has opened are open for some seconds more: half as many files as ever, in one look or the next.
const LOOKS_A_LOW = 8;
const MiB = 2 ** 20;
// What the lab does to a worker itself.
const KILLED = 'SIGKILL';

/** Memory, open files, and what they say of themselves, of nodes that are started anew now and then. */
export class Lives {
  readonly #nodes: readonly NodeMachine[];
  readonly #lives = new Map<NodeMachine, Life>();
  readonly #seen = new Map<NodeMachine['program'], number>();
  /** What was noticed, and how often. */
  readonly #noticed = new Map<string, number>();

  constructor(nodes: readonly NodeMachine[]) {
    this.#nodes = nodes;
  }

  /** Looks at each of them; all should run. */
  async look(seconds: number): Promise<void> {
    for (const node of this.#nodes) {
      const pid = node.program.workerPid;
      const known = this.#lives.get(node);
      // A node that was started anew begins anew.
      const life = known?.pid === pid ? known : { pid, looks: [] };
      this.#lives.set(node, life);
      try {
        life.looks.push(await lookAt(node, seconds));
      } catch (error) {
        this.#notice(`${node.host.name}: does not say how it is: ${error}`);
      }
      this.#read(node);
    }
  }

  all(): { readonly name: string; readonly growth: Growth | undefined; readonly life: Life }[] {
    return [...this.#lives].map(([{ host }, life]) => ({ name: host.name, growth: growthOf(life), life }));
  }

  /** What must not be, in words: of growth, and of what nodes logged that is nobody's fault but their own. */
  complaints(): string[] {
    const grown = this.all().flatMap(({ name, growth: shares }) =>
      Object.entries(shares ?? {})
        .filter(([, share]) => share > FLAT)
        .map(([what, share]) => `${name}: ${what} grew by ${percent(share)}`),
    );
    const noticed = [...this.#noticed].map(([what, times]) =>
      times === 1 ? what : `${what} (${times} times)`,
    );
    return [...grown, ...noticed];
  }

  /** Waits until nobody fetches anything and all agents know each other again; names those of which it is not so. */
  async rest(agents: number): Promise<string[]> {
    const unrest = await Promise.all(
      this.#nodes.map(async (node) => {
        let last: Look | undefined;
        const isAtRest = async () => {
          last = await lookAt(node, 0);
          return (last.flights ?? 0) === 0 && (last.members ?? agents) === agents;
        };
        const found = await until(`${node.host.name} to rest`, isAtRest).catch(() => undefined);
        if (found !== undefined) return [];
        return [`${node.host.name}: in the end ${last?.flights} flights and ${last?.members} members`];
      }),
    );
    return unrest.flat();
  }

  /** One for each node, to be printed. */
  lines(): string[] {
    return this.all().map(({ name, growth: shares, life: { looks } }) => {
      const last = looks.at(-1);
      const [rss, own, heap, buffers] = [last?.rss, last?.anonymous, last?.heapTaken, last?.external].map(
        (bytes) => ((bytes ?? 0) / MiB).toFixed(0),
      );
      const grown =
        shares === undefined
          ? 'too short to tell'
          : `memory ${percent(shares.rss)}, files ${percent(shares.files)}`;
      return `${name.padEnd(7)} ${String(looks.length).padStart(3)} looks: ${grown}; ${rss} MiB, its own ${own}, heap ${heap}, buffers ${buffers}; ${last?.files} files`;
    });
  }

  #notice(what: string): void {
    this.#noticed.set(what, (this.#noticed.get(what) ?? 0) + 1);
  }

  /** An error that is none of ours to foresee, and a worker that ended by itself. */
  #read({ host, program }: NodeMachine): void {
    const lines = program.logs();
    for (const line of lines.slice(this.#seen.get(program) ?? 0)) {
      const isCrash = line.event === 'worker_crashed' && line.signal !== KILLED;
      const isBug = line.event === 'request_failed' && line.level === 'error';
      const { time: _, pid: __, ...told } = line;
      if (isCrash || isBug) this.#notice(`${host.name}: ${JSON.stringify(told)}`);
    }
    this.#seen.set(program, lines.length);
  }
}

/** `undefined` when it was looked at too seldom since it was warm. */
function growthOf({ looks }: Life): Growth | undefined {
  const bornAt = looks[0]?.seconds ?? 0;
  const warm = looks.filter(({ seconds }) => seconds - bornAt >= WARM_SECONDS);
  if (warm.length < MIN_LOOKS) return undefined;
  const of = (what: 'rss' | 'files') => warm.map((look) => ({ seconds: look.seconds, value: look[what] }));
  return { rss: growth(of('rss')), files: growth(lows(of('files'), LOOKS_A_LOW)) };
}

const percent = (share: number) => `${share >= 0 ? '+' : ''}${(share * 100).toFixed(0)} %`;
