import { KiB } from '../../functions/blob/chunk.ts';
import type { Giver, ReplyBody } from '../../functions/blob/upstream.ts';
import type { P2PError } from '../../functions/protocol/errors.ts';
import { Recent } from '../../functions/service/recent.ts';

const TICK_MS = 250;
// A packet that is lost twice over costs TCP a second by itself. What comes by a sibling may be silent for what is
// behind that one, which is to find another first.
const MIN_SILENT_MS: Readonly<Record<Giver['kind'], number>> = { origin: 2_000, root: 2_000, sibling: 3_000 };
// While anything else comes, the link is in use, and a silence may be that of a source with much to do: were those left,
// each would be asked for what it has begun once more, by all at once.
const QUIET_MS = 1_000;
// Of what came in a second at best, of late: with less than a tenth of it the link is idle. The best is forgotten by half
// in half a minute.
const IDLE_SHARE = 0.1;
const BEST_KEPT = 0.995;
// With less of it than this the link has room for more.
const ROOM_SHARE = 0.75;
// By then a rate is one of the time in which it was looked.
const MIN_AWAKE_MS = 2_000;
// Rates are of about a second.
const RATE_KEPT = 0.75;
// Who asks elsewhere sooner has lost more by it than by waiting.
const MIN_SLOW_MS = 2_000;
// What is behind a relay has left its own source by then, if it is that which is slow.
const MIN_SLOW_RELAY_MS = 5_000;
// Of a relay that comes as slowly as this are words that it is getting the rest: it waits itself.
const WORDS_PER_MS = 0.1;
// So many times what half of them take for as many bytes: where a few are slow, 19 of 20 take as long as those.
const SLOW_TIMES = 6;
const MIN_LEFT_MS = 1_000;
// Of fewer bytes, or what was there already, the time says nothing.
const MIN_SAMPLE_BYTES = 64 * KiB;
const MIN_SAMPLE_MS = 2;
const ENOUGH_SAMPLES = 8;

/** How a body that flows is doing, beside others of its kind. */
export interface Symptoms {
  /** For so long nothing has come, if the link is idle; else for as long as nothing has come from anybody. */
  readonly silentMs: number;
  /** For so long it was read. */
  readonly activeMs: number;
  /** Nothing has come for longer than nearly all of them ever pause. */
  readonly isSilent: boolean;
  /** What is left would take several times as long as most of them take for as much. */
  readonly isSlow: boolean;
  /** Nothing much comes from anybody, beside what came of late. */
  readonly isIdle: boolean;
}

/** A body under watch. */
export interface Subject {
  readonly kind: Giver['kind'];
  /** Bytes that it should have, where that is known. */
  readonly length: number | undefined;
  /** True of what is still being got by who sends it. */
  readonly isRelay: boolean;
  /** Asked now and then; what it returns, having aborted the body, is what reading fails with. */
  examine(symptoms: Symptoms): P2PError | undefined;
}

/** What a vigil goes by. */
export interface VigilParts {
  /** True while it is this node that has all bodies wait. */
  readonly isHeld: () => boolean;
  /** Milliseconds of a clock that nobody sets. */
  readonly now: () => number;
  /** Calls back each time that so much has passed, until what it returns is called. */
  readonly every: (ms: number, run: () => void) => () => void;
}

interface Watched extends Subject {
  bytes: number;
  /** `bytes` at the last tick. */
  seen: number;
  activeMs: number;
  /** Bytes in a millisecond, of the last few ticks. */
  rate: number;
  silentMs: number;
  longestSilentMs: number;
  /** True while whoever reads has it wait. */
  isHeld: boolean;
  verdict: P2PError | undefined;
}

/** What bodies of a kind were like of late. */
interface Norms {
  /** Milliseconds for each byte. */
  readonly pace: Recent;
  /** The longest time of each in which nothing came. */
  readonly pauses: Recent;
}

/** Watches bodies as they come, and learns from those that end well what is usual. */
export class Vigil {
  readonly #parts: VigilParts;
  readonly #watched = new Set<Watched>();
  readonly #norms = new Map<Giver['kind'], Norms>();
  #stop: (() => void) | undefined;
  #tickedMs = 0;
  /** Until when bytes are in a rate. */
  #countedMs = 0;
  /** For so long no body has brought anything. */
  #quietMs = 0;
  /** For so long it has looked on end. */
  #awakeMs = 0;
  /** Bytes of all bodies since the last tick. */
  #came = 0;
  /** Bytes in a millisecond, and the most there were of late. */
  #rate = 0;
  #best = 0;

  constructor(parts: VigilParts) {
    this.#parts = parts;
  }

  /** By the clock of this machine. */
  static start(isHeld: () => boolean): Vigil {
    return new Vigil({
      isHeld,
      now: () => performance.now(),
      every(ms, run) {
        const timer = setInterval(run, ms).unref();
        return () => clearInterval(timer);
      },
    });
  }

  /** True while clearly less comes than came at best of late, and it is not this node that holds it up. */
  get hasRoom(): boolean {
    const isKnown = this.#stop !== undefined && this.#awakeMs >= MIN_AWAKE_MS && !this.#parts.isHeld();
    return isKnown && this.#rate < ROOM_SHARE * this.#best;
  }

  /** The body, watched while it is read. */
  watch(body: ReplyBody, subject: Subject): ReplyBody {
    const { fill } = body;
    return {
      discard: () => body.discard(),
      read: (sink) =>
        this.#during(subject, (watched) =>
          body.read((piece) => {
            this.#took(watched, piece.length);
            const pending = sink(piece);
            if (pending === undefined) return undefined;
            watched.isHeld = true;
            return pending.finally(() => {
              watched.isHeld = false;
            });
          }),
        ),
      ...(fill && {
        fill: (target, progressed) =>
          this.#during(subject, (watched) =>
            fill(target, (bytes) => {
              this.#took(watched, bytes);
              progressed(bytes);
            }),
          ),
      }),
    };
  }

  #took(watched: Watched, bytes: number): void {
    watched.bytes += bytes;
    this.#came += bytes;
  }

  async #during(subject: Subject, read: (watched: Watched) => Promise<void>): Promise<void> {
    const { kind, length, isRelay } = subject;
    const watched: Watched = {
      ...{ kind, length, isRelay, examine: (symptoms) => subject.examine(symptoms) },
      ...{
        bytes: 0,
        seen: 0,
        activeMs: 0,
        rate: 0,
        silentMs: 0,
        longestSilentMs: 0,
        isHeld: false,
        verdict: undefined,
      },
    };
    this.#watched.add(watched);
    this.#start();
    const startedMs = this.#parts.now();
    try {
      await read(watched);
      this.#learn(watched, this.#parts.now() - startedMs);
    } catch (error) {
      throw watched.verdict ?? error;
    } finally {
      this.#watched.delete(watched);
      if (this.#watched.size === 0) this.#rest();
    }
  }

  #learn({ kind, bytes, longestSilentMs }: Watched, ms: number): void {
    if (bytes < MIN_SAMPLE_BYTES || ms < MIN_SAMPLE_MS) return;
    const { pace, pauses } = this.#normsOf(kind);
    pace.add(ms / bytes);
    pauses.add(longestSilentMs);
  }

  #tick(): void {
    const nowMs = this.#parts.now();
    // Whoever was stopped itself, or had too much to do, has not listened.
    const passedMs = Math.min(nowMs - this.#tickedMs, 2 * TICK_MS);
    this.#tickedMs = nowMs;
    // Short bodies may have come while nothing ticked: that was longer than a tick.
    const countedMs = nowMs - this.#countedMs;
    this.#countedMs = nowMs;
    if (this.#parts.isHeld()) {
      this.#came = 0;
      this.#awakeMs = 0;
      return;
    }
    this.#awakeMs += passedMs;
    this.#quietMs = this.#came === 0 ? this.#quietMs + passedMs : 0;
    this.#rate = RATE_KEPT * this.#rate + (1 - RATE_KEPT) * (this.#came / Math.max(1, countedMs));
    this.#best = Math.max(this.#rate, BEST_KEPT * this.#best);
    this.#came = 0;
    for (const watched of this.#watched) if (!watched.isHeld) this.#look(watched, passedMs);
  }

  #look(watched: Watched, passedMs: number): void {
    const { kind } = watched;
    watched.activeMs += passedMs;
    const came = (watched.bytes - watched.seen) / Math.max(1, passedMs);
    watched.rate = (watched.rate + came) / 2;
    watched.silentMs = watched.bytes > watched.seen ? 0 : watched.silentMs + passedMs;
    watched.longestSilentMs = Math.max(watched.longestSilentMs, watched.silentMs);
    watched.seen = watched.bytes;
    const isIdle = this.#quietMs >= QUIET_MS || this.#rate < IDLE_SHARE * this.#best;
    const silentMs = isIdle ? watched.silentMs : Math.min(watched.silentMs, this.#quietMs);
    watched.verdict ??= watched.examine({
      silentMs,
      activeMs: watched.activeMs,
      isSilent: silentMs >= Math.max(MIN_SILENT_MS[kind], this.#normsOf(kind).pauses.p95 ?? 0),
      isSlow: this.#isSlow(watched),
      isIdle,
    });
  }

  #isSlow({ kind, length, isRelay, bytes, rate, activeMs }: Watched): boolean {
    const usual = this.#normsOf(kind).pace.median;
    if (usual === undefined || length === undefined || bytes === 0) return false;
    if (activeMs < (isRelay ? MIN_SLOW_RELAY_MS : MIN_SLOW_MS)) return false;
    if (isRelay && rate < WORDS_PER_MS) return false;
    const own = activeMs / bytes;
    return own > SLOW_TIMES * usual && own * (length - bytes) > MIN_LEFT_MS;
  }

  #normsOf(kind: Giver['kind']): Norms {
    const norms = this.#norms.get(kind) ?? {
      pace: new Recent(ENOUGH_SAMPLES),
      pauses: new Recent(ENOUGH_SAMPLES),
    };
    this.#norms.set(kind, norms);
    return norms;
  }

  #start(): void {
    if (this.#stop !== undefined) return;
    this.#awakeMs = 0;
    this.#tickedMs = this.#parts.now();
    this.#stop = this.#parts.every(TICK_MS, () => this.#tick());
  }

  #rest(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}
