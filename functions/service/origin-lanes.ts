import { LRUCache } from 'lru-cache';
import { linkTo } from './abort-link.ts';
import { waitInLine } from './wait-in-line.ts';

// Never fewer: one that is held up is not to hold up the others.
const FEWEST = 4;
const FIRST = 8;
const MOST = 64;
// Of as many ranges under way at once these are how many wait for each other on the way (Brakmo and Peterson, TCP Vegas,
// 1995): with fewer than the first more may be asked for at once, with more than the second fewer.
const FEW_WAIT = 2;
const MANY_WAIT = 4;
// What an origin was at best is forgotten by half in 70 ranges: links change.
const BEST_FORGOTTEN = 1.01;
// Of fewer bytes the time says nothing of the link.
const MIN_SAMPLE_BYTES = 64 * 1024;
const MOST_ORIGINS = 1000;
// A range that as many later ones have overtaken is starved by them where the link is full: then it has the link to itself,
// for so long. Where it is something else that holds it up, the others have waited long enough.
const OVERTAKEN = 4;
const ALONE_MS = 5_000;
// TCP asks less and less often for what was lost several times over, in the end once a minute, though the link has long
// had room: another connection gets through. As long as that is silent, while another of the same origin is not.
const SILENT_MS = 3_000;
const LIVELY_MS = 1_000;
const TICK_MS = 500;

/** The right to read one range from an origin. */
export interface Lane {
  /** Aborts with the signal that it was taken with, and when its connection gets nothing through that others do. */
  readonly signal: AbortSignal;
  /** True when it was its connection that got nothing through: what is missing is worth asking for by another. */
  readonly isStuck: boolean;
  /** Notes that the head, or bytes of the body, have come. */
  moved(): void;
  /** Takes up no room any more, though it goes on: what comes is no range. */
  share(): void;
  /** Ends it, when the range has come whole with how many bytes that were; a second call is nothing. */
  leave(bytes?: number): void;
}

/** A range under way. */
interface UnderWay {
  /** By how many that began later. */
  overtaken: number;
  /** When something last came; `undefined` until its head has. */
  movedMs: number | undefined;
  isStuck: boolean;
  readonly ending: AbortController;
  /** True once it has had its time alone: what does not end then is starved by nobody. */
  hadTime: boolean;
}

interface Road {
  limit: number;
  /** Milliseconds for each byte, of the quickest range of late. */
  best: number;
  /** Oldest first. */
  readonly underWay: Set<UnderWay>;
  readonly waiting: (() => void)[];
  /** When something last came of any. */
  movedMs: number;
  watch: NodeJS.Timeout | undefined;
  /** Until the starved one has had its time. */
  closed: { readonly starved: UnderWay; readonly timer: NodeJS.Timeout } | undefined;
}

/**
 * How many ranges are read from an origin at once: as many as make each other no slower, and few beyond. Where all
 * share a link that is full, more at once only have the first wait for the last.
 */
export class OriginLanes {
  readonly #roads = new LRUCache<string, Road>({ max: MOST_ORIGINS });
  /** Milliseconds of a clock that nobody sets. */
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Resolves in the order of the calls. @throws P2PError CLIENT_GONE on abort, having left the line. */
  async take(origin: string, signal: AbortSignal): Promise<Lane> {
    const road = this.#road(origin);
    if (!isOpen(road) || road.waiting.length > 0)
      await waitInLine(road.waiting, `a range of ${origin}`, signal);
    const link = linkTo(signal);
    const own: UnderWay = {
      overtaken: 0,
      movedMs: undefined,
      isStuck: false,
      ending: link.own,
      hadTime: false,
    };
    road.underWay.add(own);
    road.watch ??= setInterval(() => this.#look(road), TICK_MS).unref();
    const startedMs = this.#now();
    const wasFull = road.underWay.size >= road.limit;
    // Whoever is behind.
    admit(road);
    return {
      signal: own.ending.signal,
      get isStuck() {
        return own.isStuck;
      },
      moved: () => {
        own.movedMs = this.#now();
        road.movedMs = own.movedMs;
      },
      share: () => {
        this.#free(road, own);
      },
      leave: (bytes = 0) => {
        link.end();
        if (!road.underWay.has(own)) return;
        if (bytes >= MIN_SAMPLE_BYTES) learn(road, (this.#now() - startedMs) / bytes, wasFull);
        this.#free(road, own);
      },
    };
  }

  #free(road: Road, own: UnderWay): void {
    for (const other of road.underWay) {
      if (other === own) break;
      other.overtaken += 1;
    }
    road.underWay.delete(own);
    if (road.underWay.size === 0) {
      clearInterval(road.watch);
      road.watch = undefined;
    }
    if (road.closed?.starved === own) open(road);
    else closeForStarved(road);
    admit(road);
  }

  #look(road: Road): void {
    const nowMs = this.#now();
    // Where nothing comes at all it is not the connection.
    if (nowMs - road.movedMs >= LIVELY_MS) return;
    for (const range of road.underWay) {
      if (range.movedMs === undefined || nowMs - range.movedMs < SILENT_MS) continue;
      range.isStuck = true;
      range.ending.abort();
    }
  }

  #road(origin: string): Road {
    const road = this.#roads.get(origin) ?? {
      limit: FIRST,
      best: Number.POSITIVE_INFINITY,
      underWay: new Set(),
      waiting: [],
      movedMs: 0,
      watch: undefined,
      closed: undefined,
    };
    this.#roads.set(origin, road);
    return road;
  }
}

function learn(road: Road, pace: number, wasFull: boolean): void {
  road.best = Math.min(pace, road.best * BEST_FORGOTTEN);
  const waiting = road.limit * (1 - road.best / pace);
  if (waiting > MANY_WAIT) road.limit = Math.max(FEWEST, road.limit - 1);
  // One that was not full says nothing of what more would do.
  else if (wasFull && waiting < FEW_WAIT) road.limit = Math.min(MOST, road.limit + 1);
}

const isOpen = ({ closed, underWay, limit }: Road): boolean => closed === undefined && underWay.size < limit;

/** Lets the next one in; it lets in whoever is behind. */
function admit(road: Road): void {
  if (isOpen(road)) road.waiting.shift()?.();
}

function closeForStarved(road: Road): void {
  if (road.closed !== undefined || road.limit > FEWEST) return;
  const [starved] = road.underWay;
  if (starved === undefined || starved.overtaken < OVERTAKEN || starved.hadTime) return;
  starved.hadTime = true;
  const timer = setTimeout(() => {
    open(road);
    admit(road);
  }, ALONE_MS).unref();
  road.closed = { starved, timer };
}

function open(road: Road): void {
  clearTimeout(road.closed?.timer);
  road.closed = undefined;
}
