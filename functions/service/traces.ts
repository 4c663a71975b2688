import type { Journey } from '../blob/journey.ts';
import type { ChunkRead, ReadTrace } from '../blob/read-trace.ts';
import { redact } from '../protocol/address.ts';
import { contextOf, formatContext, type TraceContext } from './trace-context.ts';

/** What a trace is begun with. */
export interface TracedRequest {
  readonly method: string;
  readonly url: string;
  readonly traceparent: string | undefined;
}

// In all: some 20 MB at most.
const MAX_REQUESTS = 1_000;
const MAX_READS = 50_000;
// Of one request: 16 GiB in chunks of 4 MiB. Who reads more small ranges in one request is not told of each.
const MAX_READS_EACH = 4_096;
// Of one URL: a head has room for much more, and nobody asks an origin first whether there is such a thing.
const MAX_URL_LETTERS = 4_096;

/** The requests of late, each with the chunks that it was given and where they came from; the oldest go first. */
export class Traces {
  readonly #now: () => number;
  readonly #requests = new Set<RequestTrace>();
  #reads = 0;

  /** `now` gives milliseconds since the epoch, in fractions. */
  constructor(now: () => number) {
    this.#now = now;
  }

  begin(request: TracedRequest): RequestTrace {
    const trace = new RequestTrace(request, this.#now, () => this.#grow());
    this.#requests.add(trace);
    if (this.#requests.size > MAX_REQUESTS) this.#dropOldest();
    return trace;
  }

  /** The requests of a trace, in the order in which they came. */
  find(traceId: string): RequestTrace[] {
    return [...this.#requests].filter((one) => one.context.traceId === traceId);
  }

  /** The last request for a URL, whatever its query. */
  lastOf(url: string): RequestTrace | undefined {
    return [...this.#requests].findLast((one) => one.isFor(url));
  }

  #grow(): void {
    this.#reads += 1;
    while (this.#reads > MAX_READS && this.#requests.size > 1) this.#dropOldest();
  }

  #dropOldest(): void {
    const [oldest] = this.#requests;
    if (oldest === undefined) return;
    this.#requests.delete(oldest);
    this.#reads -= oldest.end('dropped');
  }
}

/** One request, being answered or answered. Times are milliseconds since the epoch. */
export class RequestTrace implements ReadTrace {
  readonly context: TraceContext;
  readonly method: string;
  readonly startedMs: number;
  readonly now: () => number;
  readonly #url: string;
  readonly #grow: () => void;
  readonly #reads: ChunkRead[] = [];
  /** Made when it is needed: a thousand requests are held, and most of what is hot fetches nothing. */
  #fetching: Map<number, Journey> | undefined;
  #endedMs: number | undefined;
  #outcome: string | undefined;
  #omitted = 0;
  #isDropped = false;

  constructor({ method, url, traceparent }: TracedRequest, now: () => number, grow: () => void) {
    this.context = contextOf(traceparent);
    this.method = method;
    this.#url = shortened(url);
    this.now = now;
    this.startedMs = now();
    this.#grow = grow;
  }

  /** Without its query. */
  get url(): string {
    return redact(this.#url);
  }

  /** Signatures in queries differ from request to request. */
  isFor(url: string): boolean {
    return this.#url.split('?', 1)[0] === shortened(url).split('?', 1)[0];
  }

  /** `traceparent` for whoever is asked on its behalf. */
  get traceparent(): string {
    return formatContext(this.context);
  }

  fetching(index: number, journey: Journey): void {
    this.#fetching ??= new Map();
    if (this.#fetching.size < MAX_READS_EACH) this.#fetching.set(index, journey);
  }

  gave(read: ChunkRead): void {
    const last = this.#reads.at(-1);
    if (last?.index === read.index) {
      // The end of a reply is held back for a while, and with it a part of its last chunk.
      this.#reads[this.#reads.length - 1] = { ...last, bytes: last.bytes + read.bytes, doneMs: read.doneMs };
      return;
    }
    if (this.#isDropped || this.#reads.length === MAX_READS_EACH) {
      this.#omitted += 1;
      return;
    }
    this.#reads.push(read);
    this.#grow();
  }

  /** Notes what it came to: a status, or the code of what broke it. Gives how many reads it holds. */
  end(outcome: string): number {
    this.#isDropped ||= outcome === 'dropped';
    this.#endedMs ??= this.now();
    this.#outcome ??= outcome;
    return this.#reads.length;
  }

  toJSON() {
    return {
      method: this.method,
      url: this.url,
      startedMs: this.startedMs,
      endedMs: this.#endedMs,
      outcome: this.#outcome,
      omitted: this.#omitted,
      chunks: this.#reads.map(({ journey, ...read }) => ({
        ...read,
        legs: (journey ?? this.#fetching?.get(read.index))?.legs ?? [],
      })),
      unread: this.#unread(),
    };
  }

  /** What was fetched for it and not given: what a transfer broke on, and what is ahead of that. */
  #unread() {
    const given = new Set(this.#reads.map(({ index }) => index));
    const fetched = [...(this.#fetching ?? [])];
    return fetched.filter(([index]) => !given.has(index)).map(([index, { legs }]) => ({ index, legs }));
  }
}

/** The beginning of a long URL: a copy, for a slice would hold on to all of it. */
const shortened = (url: string): string =>
  url.length > MAX_URL_LETTERS ? Buffer.from(url.slice(0, MAX_URL_LETTERS)).toString() : url;
