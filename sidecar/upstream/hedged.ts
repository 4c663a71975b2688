import { setTimeout as wait } from 'node:timers/promises';
import type { Reply, Source, Upstream, UpstreamQuery, Wanted } from '../../functions/blob/upstream.ts';
import type { Address } from '../../functions/protocol/address.ts';

/** A source beside which the next is asked when it takes long to begin. */
export interface HedgeableSource extends Source {
  readonly hedge: {
    readonly afterMs: number;
    /** Whether another may be asked now. */
    begin(): boolean;
    /** Told when another one that was asked later has answered first. */
    overtaken(): void;
  };
}

/** Has the next source asked too when one takes long to begin; whoever begins first is read, the other given up. */
export class HedgedUpstream implements Upstream {
  readonly #upstream: Upstream;
  readonly #onHedge: () => void;

  constructor(upstream: Upstream, onHedge: () => void) {
    this.#upstream = upstream;
    this.#onHedge = onHedge;
  }

  *sources(address: Address, wanted?: Wanted): Iterable<Source> {
    const line = new Line(this.#upstream.sources(address, wanted));
    for (let source = line.next(); source !== undefined; source = line.next()) {
      const taken = source;
      yield { ...taken, open: (query, signal) => this.#open(taken, line, query, signal) };
    }
  }

  async #open(source: Source, line: Line, query: UpstreamQuery, signal: AbortSignal): Promise<Reply> {
    const opening = source.open(query, signal);
    if (!isHedgeable(source)) return opening;
    const { afterMs, begin, overtaken } = source.hedge;
    const other = !(await settlesWithin(opening, afterMs)) && begin() ? line.next() : undefined;
    if (other === undefined) return opening;
    this.#onHedge();
    const beside = this.#open(other, line, query, signal);
    return fastest(
      { opening, lost: overtaken },
      {
        opening: beside.then((reply) => ({ ...reply, from: reply.from ?? other })),
        lost: () => line.putBack(other),
      },
    );
  }
}

/** Sources, each taken once, and those that were put back. */
class Line {
  readonly #sources: Iterator<Source>;
  readonly #again: Source[] = [];

  constructor(sources: Iterable<Source>) {
    this.#sources = sources[Symbol.iterator]();
  }

  next(): Source | undefined {
    return this.#again.shift() ?? this.#sources.next().value;
  }

  /** For one that has neither answered nor failed: it is as good as it was. */
  putBack(source: Source): void {
    this.#again.push(source);
  }
}

interface Racer {
  readonly opening: Promise<Reply>;
  /** Told when the other one has won and this one was still under way. */
  lost(): void;
}

/**
 * The reply that is there first; the other is given up as soon as it comes. One that says that it failed counts
 * only once the other has nothing better. Throws what the first failed with.
 */
async function fastest(...racers: readonly [Racer, Racer]): Promise<Reply> {
  const failed = new Set<Racer>();
  const settled = racers.map(async (racer) => {
    const reply = await racer.opening.catch((error: unknown) => {
      failed.add(racer);
      throw error;
    });
    return { racer, reply };
  });
  const runs = settled.map(async (own, at) => {
    const run = await own;
    const other = isGood(run.reply) ? undefined : await settled[1 - at]?.catch(() => undefined);
    return other !== undefined && isGood(other.reply) ? other : run;
  });
  const won = await Promise.any(runs).catch(({ errors }: AggregateError) => {
    throw errors[0];
  });
  for (const racer of racers) {
    if (racer === won.racer || failed.has(racer)) continue;
    racer.lost();
    racer.opening.then(
      ({ body }) => body.discard(),
      () => {},
    );
  }
  return won.reply;
}

async function settlesWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const over = new AbortController();
  const settled = work.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, wait(ms, false, { signal: over.signal })]);
  } finally {
    over.abort();
  }
}

// What it refuses is an answer too, of which a root would say no other.
const isGood = ({ status }: Reply): boolean => status < 500 && status !== 408 && status !== 429;

const isHedgeable = (source: Source): source is HedgeableSource => 'hedge' in source;
