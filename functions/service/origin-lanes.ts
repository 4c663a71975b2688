import { LRUCache } from 'lru-cache';
import { linkTo } from './abort-link.ts';
import { BlobLine, type BlobPart } from './blob-line.ts';
import { LaneLimit } from './lane-limit.ts';

const FIRST = 8;
// What an origin was at best is forgotten by half in 700 ranges: links change. Sooner, what all wait for would soon be the best.
const BEST_FORGOTTEN = 1.001;
const MOST_ORIGINS = 1000;
// A range that as many later ones have overtaken is starved by them where the link is full: then it has the link to itself,
// for so long. Where it is something else that holds it up, the others have waited long enough.
const OVERTAKEN = 4;
// With more at once than this it is seldom the link that is full.
const MOST_OVER_FULL = 8;
const ALONE_MS = 5_000;
// TCP asks less and less often for what was lost several times over, in the end once a minute, though the link has long
// had room: another connection gets through. As long as that is silent, while another of the same origin is not.
const SILENT_MS = 3_000;
const LIVELY_MS = 1_000;
const TICK_MS = 500;

/** What is to be read from an origin. */
export interface OriginRange extends BlobPart {
  readonly origin: string;
}

/** The right to read one range from an origin. */
export interface Lane {
  /** Aborts with the signal that it was taken with, and when its connection gets nothing through that others do. */
  readonly signal: AbortSignal;
  /** True when it was its connection that got nothing through: what is missing is worth asking for by another. */
  readonly isStuck: boolean;
  /** Notes that bytes of the body have come. */
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
  /** When something last came; `undefined` until its first byte has, for which an origin may take its time. */
  movedMs: number | undefined;
  isStuck: boolean;
  readonly ending: AbortController;
  /** True once it has had its time alone: what does not end then is starved by nobody. */
  hadTime: boolean;
}

interface Road {
  readonly limit: LaneLimit;
  /** Milliseconds for each byte, of the quickest range of late. */
  best: number;
  /** Oldest first. */
  readonly underWay: Set<UnderWay>;
  /** Those let in from the line that are not under way yet. */
  called: number;
  readonly waiting: BlobLine;
  /** When something last came of any. */
  movedMs: number;
  watch: NodeJS.Timeout | undefined;
  /** Until the starved one has had its time. */
  closed: { readonly starved: UnderWay; readonly timer: NodeJS.Timeout } | undefined;
}

/** How many ranges are read from an origin at once: see `LaneLimit`. */
export class OriginLanes {
  readonly #roads = new LRUCache<string, Road>({ max: MOST_ORIGINS });
  readonly #now: () => number;
  readonly #watches: boolean;

  /** `now` is milliseconds of a clock that nobody sets. With `watches` a range that is stuck is ended. */
  constructor({
    now = () => performance.now(),
    watches = true,
  }: { now?: () => number; watches?: boolean } = {}) {
    this.#now = now;
    this.#watches = watches;
  }

  /** Resolves in the order of a `BlobLine`. @throws P2PError CLIENT_GONE on abort, having left the line. */
  async take({ origin, ...part }: OriginRange, signal: AbortSignal): Promise<Lane> {
    const road = this.#road(origin);
    if (!isOpen(road) || road.waiting.length > 0) {
      await road.waiting.wait(part, `a range of ${origin}`, signal);
      road.called -= 1;
    }
    const link = linkTo(signal);
    const own: UnderWay = {
      overtaken: 0,
      movedMs: undefined,
      isStuck: false,
      ending: link.own,
      hadTime: false,
    };
    road.underWay.add(own);
    if (this.#watches) road.watch ??= setInterval(() => this.#look(road), TICK_MS).unref();
    const startedMs = this.#now();
    const peers = road.underWay.size;
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
        // A short one overtakes with ease.
        if (road.limit.isUsual(bytes)) {
          learn(road, (this.#now() - startedMs) / bytes, peers);
          overtake(road, own);
        }
        this.#free(road, own);
      },
    };
  }

  #free(road: Road, own: UnderWay): void {
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
      limit: new LaneLimit(FIRST),
      best: Number.POSITIVE_INFINITY,
      underWay: new Set(),
      called: 0,
      waiting: new BlobLine(),
      movedMs: 0,
      watch: undefined,
      closed: undefined,
    };
    this.#roads.set(origin, road);
    return road;
  }
}

/** `peers` were under way as it began, itself included. */
function learn(road: Road, pace: number, peers: number): void {
  road.best = Math.min(pace, road.best * BEST_FORGOTTEN);
  road.limit.learn(pace, road.best, peers);
}

/** Counts for those that began before it. */
function overtake({ underWay }: Road, own: UnderWay): void {
  for (const other of underWay) {
    if (other === own) return;
    other.overtaken += 1;
  }
}

const isOpen = ({ closed, underWay, called, limit }: Road): boolean =>
  closed === undefined && underWay.size + called < limit.count;

/** Lets the next one in; it lets in whoever is behind. */
function admit(road: Road): void {
  if (road.waiting.length === 0 || !isOpen(road)) return;
  road.called += 1;
  road.waiting.callNext();
}

function closeForStarved(road: Road): void {
  const { closed, limit, underWay } = road;
  if (closed !== undefined || !limit.isFull || limit.count > MOST_OVER_FULL) return;
  const [starved] = underWay;
  if (starved === undefined || starved.overtaken < Math.max(OVERTAKEN, limit.count) || starved.hadTime)
    return;
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
