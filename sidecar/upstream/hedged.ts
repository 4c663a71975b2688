import type {
  Giver,
  Reply,
  Source,
  Upstream,
  UpstreamQuery,
  Wanted,
  Word,
} from '../../functions/blob/upstream.ts';
import type { Address } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import { headerValue } from '../../functions/protocol/headers.ts';
import { parseContentRange } from '../../functions/protocol/range.ts';
import { linkTo } from '../../functions/service/abort-link.ts';
import { Hedging } from './hedging.ts';
import { Line, type Patience } from './line.ts';
import { ended, telling } from './opening.ts';
import { fastest, isGood, settlesWithin } from './race.ts';
import { Straying } from './straying.ts';
import type { Symptoms, Vigil } from './vigil.ts';
import { Words } from './words.ts';

// What the origin takes at most where it is better to ask it: for the rest of what comes slowly, and for a whole chunk that
// has been waited for twice as long.
const LATE_FOR_REST_MS = 2_000;
const LATE_FOR_WORDS_MS = 4_000;
// By then what is behind a relay holds up all that wait for that.
const SPARED_MS = 5_000;
// So much longer, at most, is waited for one who says nothing else.
const STALE_MS = 40_000;

/** A source that is not waited for alone, nor to the end, when it takes long. */
export interface HedgeableSource extends Source {
  readonly hedge: {
    /** How long it may take to begin. */
    readonly afterMs: number;
    /** How long it may be silent once it has said that it is getting it. */
    readonly silentMs: number;
    /** Whether another may be asked now. */
    begin(): boolean;
    /** Told when it has lost against another one that was asked later. */
    overtaken(): void;
    /** Told when who gave by it was left in the middle, for another one. */
    left(giver: Giver): void;
  };
}

/** What hedging takes. */
export interface HedgedParts {
  readonly upstream: Upstream;
  /** Watches the bodies of chunks. */
  readonly vigil: Vigil;
  readonly patience: Patience;
  /** Milliseconds of a clock that nobody sets. */
  readonly now: () => number;
  /** Told of each time that another source is asked beside one, or in its place. */
  readonly onHedge: () => void;
}

/**
 * Has the next source asked too when one takes long to begin: whoever begins first is read, the other is ended. What
 * of a chunk has begun, and then says nothing or is much slower than others, fails as if it had timed out, as long
 * as there is another source for the rest. So few are asked twice; but one that says nothing at all is borne no
 * longer than its share of the patience with all (`Line`). The last one is waited for as long as it takes.
 */
export class HedgedUpstream implements Upstream {
  readonly #parts: HedgedParts;
  /** How often something may be left before its time: when all are slow at once, that makes it worse. */
  readonly #leaving = new Hedging();
  readonly #straying: Straying;

  constructor(parts: HedgedParts) {
    this.#parts = parts;
    this.#straying = new Straying(parts.now);
  }

  *sources(address: Address, wanted?: Wanted): Iterable<Source> {
    const line = new Line(this.#parts.upstream.sources(address, wanted), this.#parts.patience);
    // What is not a chunk's is passed on as it comes: nobody could take up the rest.
    const isChunk = wanted !== undefined;
    for (let source = line.next(); source !== undefined; source = line.next()) {
      const taken = source;
      const open: Source['open'] = async (query, signal) => {
        const { own, end } = linkTo(signal);
        this.#leaving.asked();
        return ended(this.#open({ line, isChunk, query, hurried: false }, taken, own.signal), end);
      };
      yield { ...taken, open };
    }
  }

  #open(request: Request, source: Source, signal: AbortSignal): Promise<Reply> {
    const opening = this.#openHedged(request, source, signal);
    const opened = source.kind === 'origin' ? this.#returning(request, opening) : opening;
    // It is no sibling that is asked, which could wait for whoever waits for this: that is worth waiting for.
    return source.kind === 'sibling' ? opened : telling(opened, request.query.heard);
  }

  /** What the origin says, with word of it for those who would leave for it. */
  #returning({ line, isChunk }: Request, opening: Promise<Reply>): Promise<Reply> {
    const startedMs = this.#parts.now();
    const returned = (hasGiven: boolean) => this.#straying.returned(line, startedMs, hasGiven);
    if (isChunk) return ended(opening, returned);
    // What is passed on as it comes is read as slowly as its client reads.
    opening.then(
      () => returned(true),
      () => returned(false),
    );
    return opening;
  }

  async #openHedged(request: Request, source: Source, signal: AbortSignal): Promise<Reply> {
    if (!isHedgeable(source)) return source.open(request.query, signal);
    const { own } = linkTo(signal);
    const words = new Words();
    const heard = (word: Word = 'fresh') => {
      words.came(word);
      // Of whom a sibling hears nothing this one may hear nothing either.
      if (source.kind === 'sibling') request.query.heard?.();
    };
    const watched = source
      .open({ ...request.query, heard }, own.signal)
      .then((reply) => this.#watched(request, source, reply, own));
    const brought = (isWhole: boolean) => isWhole && this.#straying.brought(source.name);
    const opening = request.isChunk && source.kind === 'root' ? ended(watched, brought) : watched;
    const other = await this.#beside(request, source, opening, words);
    if (other === undefined) return opening;
    const rival = linkTo(signal).own;
    return fastest(
      {
        opening,
        lost() {
          // Who is at work has not failed by being the slower one, unless it has said nothing else for long.
          if (words.last !== 'fresh') source.hedge.overtaken();
          own.abort();
        },
      },
      { opening: this.#inTurn(request, other, rival.signal), lost: () => rival.abort() },
    );
  }

  /**
   * What the first of those in line says that answers well, from `first` on: beside one that says nothing, a failure
   * of the next is no reason to wait. Where none does, the first answer there was.
   */
  async #inTurn(request: Request, first: Source, signal: AbortSignal): Promise<Reply> {
    const { line } = request;
    const failures: unknown[] = [];
    let poor: Reply | undefined;
    let asked: Source | undefined = first;
    signal.addEventListener('abort', () => asked && line.putBack(asked), { once: true });
    while (asked !== undefined) {
      const from: Giver = asked;
      this.#parts.onHedge();
      try {
        const said = await this.#open(request, asked, signal);
        const reply = { ...said, from: said.from ?? from };
        if (isGood(reply)) {
          asked = undefined;
          poor?.body.discard();
          return reply;
        }
        if (poor === undefined) poor = reply;
        else reply.body.discard();
      } catch (error) {
        if (signal.aborted || !isElsewhere(error)) {
          asked = undefined;
          poor?.body.discard();
          throw error;
        }
        failures.push(error);
      }
      asked = signal.aborted ? undefined : line.next();
    }
    if (poor !== undefined) return poor;
    throw failures[0];
  }

  /** Whom to ask beside a source that does not begin; `undefined` when it did, or there is nobody. */
  async #beside(
    request: Request,
    source: HedgeableSource,
    opening: Promise<Reply>,
    words: Words,
  ): Promise<Source | undefined> {
    const { line } = request;
    const { hedge } = source;
    const isHeard = () => words.takeFresh() && !mayHurry(request, source);
    const firstMs = Math.min(hedge.afterMs, line.shareMs(undefined));
    const { silentMs } = hedge;
    if (await settlesWithin(opening, firstMs, silentMs, isHeard)) return undefined;
    const next = line.peek();
    if (next === undefined) return undefined;
    const shareMs = line.shareMs(next);
    let waitedMs = firstMs;
    // A root with much to do is late with everything, and all would go to the origin at once.
    const isHurried = request.hurried && next.kind === 'root';
    if (waitedMs < shareMs && !isHurried && (next.kind === 'origin' || !hedge.begin())) {
      if (await settlesWithin(opening, shareMs - waitedMs, silentMs, isHeard)) return undefined;
      waitedMs = shareMs;
    }
    // Where all have asked a root for as much as its link brings in so long, nobody is served sooner by the origin.
    const untilMs = this.#parts.now() + STALE_MS;
    const mayStay = () => words.takeStale() && this.#parts.now() < untilMs;
    while (next.kind === 'origin' && mayStay() && !this.#mayStray(line, source))
      if (await settlesWithin(opening, silentMs, silentMs, isHeard)) return undefined;
    line.waited(waitedMs);
    return line.next();
  }

  #mayStray(line: Line, { name }: Source): boolean {
    return this.#straying.begin(line, LATE_FOR_WORDS_MS, name);
  }

  #watched(request: Request, source: HedgeableSource, reply: Reply, own: AbortController): Reply {
    const { line, isChunk } = request;
    if (!isChunk) return reply;
    const giver = reply.from ?? source;
    // Who is still getting a chunk itself says what it has hashed behind it; it may have others wait for its own source.
    const isRelay = headerValue(reply.headers, 'trailer') !== undefined;
    const span = parseContentRange(headerValue(reply.headers, 'content-range'))?.span;
    const body = this.#parts.vigil.watch(reply.body, {
      kind: giver.kind,
      length: span && span.end - span.start,
      isRelay,
      examine: (found) => {
        const symptoms = { ...found, isSlow: found.isSlow && (found.isIdle || !isRelay) };
        const isHurried = mayHurry(request, giver);
        if (!isHurried && !this.#mayLeave(symptoms, request, giver)) return undefined;
        if (!isHurried) {
          line.waited(borneMs(giver, symptoms));
          source.hedge.left(giver);
        }
        this.#parts.onHedge();
        own.abort();
        return new P2PError(
          'UPSTREAM_TIMEOUT',
          `${giver.name} ${complaint(symptoms, isHurried)}: another is asked for the rest`,
        );
      },
    });
    return { ...reply, body };
  }

  #mayLeave(
    { silentMs, activeMs, isSilent, isSlow, isIdle }: Symptoms,
    { line, query }: Request,
    { kind }: Giver,
  ): boolean {
    if (!(isSilent || isSlow || silentMs >= line.shareMs(undefined))) return false;
    const next = line.peek();
    if (next === undefined) return false;
    const isDue = silentMs >= line.shareMs(next);
    const isRelayed = kind === 'sibling';
    // What comes by a sibling is that one's to leave.
    if (next.kind === 'origin' && !isSilent)
      return isDue || (isSlow && isIdle && !isRelayed && this.#straying.begin(line, LATE_FOR_REST_MS));
    // While other chunks come, and no client waits for this one, a root has more urgent things to send than the rest of it;
    // and another sibling would ask one.
    const isHarmless = !isSilent && !isIdle && activeMs < SPARED_MS && query.isAwaited?.() === false;
    if (isRelayed && isHarmless && !isDue) return false;
    return isDue || this.#leaving.spend();
  }
}

/** One request for which sources are asked. */
interface Request {
  readonly line: Line;
  readonly isChunk: boolean;
  readonly query: UpstreamQuery;
  /** True once a root was asked sooner, for a client's sake. */
  hurried: boolean;
}

/**
 * Whether a root is to be asked at once in place of a sibling, for a client that has waited long for what it would see
 * of a root as it comes; that root then is next in line. Once for each request: it is no faster for being asked again.
 */
function mayHurry(request: Request, { kind }: Giver): boolean {
  if (kind !== 'sibling' || request.hurried || !request.query.isUrgent?.()) return false;
  request.hurried = request.line.preferRoot();
  return request.hurried;
}

const complaint = ({ isSlow, silentMs }: Symptoms, isHurried: boolean): string => {
  if (isHurried) return 'keeps a client waiting';
  return isSlow ? 'is much slower than others' : `says nothing for ${silentMs} ms`;
};

/** How much of the patience one has cost that is left. */
function borneMs({ kind }: Giver, { silentMs, activeMs, isSlow, isIdle }: Symptoms): number {
  if (kind !== 'root' || !isSlow) return silentMs;
  // Where nothing else comes either, other roots are hardly better: they have to begin at once.
  return isIdle ? Number.POSITIVE_INFINITY : activeMs;
}

const isElsewhere = (error: unknown): boolean => error instanceof P2PError && error.retry === 'elsewhere';

const isHedgeable = (source: Source): source is HedgeableSource => 'hedge' in source;
