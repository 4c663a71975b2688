import { connect, type LookupFunction, type Socket } from 'node:net';
import { KiB } from '../blob/chunk.ts';
import type { ReplyBody } from '../blob/upstream.ts';
import { type HeaderLines, P2PError } from '../protocol/errors.ts';
import { BodyReader } from './body-reader.ts';
import { brokenFault, type ConnectionLimits, timeoutFault } from './connection-fault.ts';
import { HeadReader } from './head-reader.ts';
import { ReadPace, ReadRounds } from './read-pace.ts';
import type { ReplyHead } from './reply-head.ts';

// What of the body comes along with its head is little to copy.
const SCRATCH_BYTES = 16 * KiB;
// Of a body that nobody wants so much is read out, for so long between two pieces.
const DRAIN_BYTES = 64 * KiB;
const DRAIN_MS = 2_000;

// Of all connections of this process.
const ROUNDS = new ReadRounds();

/** A request to be carried. */
export interface RangeAsk {
  /** Names it in errors. */
  readonly what: string;
  /** The head. */
  readonly text: string;
  /** Told of each interim reply. */
  readonly interim?: (() => void) | undefined;
}

/** What became of a request: a reply, or word that this client cannot read it and another must ask. */
export type Outcome = Answered | 'unsuited';

interface Answered {
  readonly head: ReplyHead;
  readonly body: ReplyBody;
  /** See `Reply`. */
  readonly trailers: () => HeaderLines;
}

type State = 'idle' | 'head' | 'held' | 'body' | 'closed';

/**
 * One connection that carries requests for ranges, one after the other, and reads bodies straight into the
 * buffer they are for: no parser, no copy, no garbage. It accepts only what it fully understands: an HTTP/1.1
 * head with a Content-Length, or with a body in chunks. Anything else closes it and is left to another client.
 */
export class RangeConnection {
  readonly #socket: Socket;
  readonly #limits: ConnectionLimits;
  readonly #onFree: (usable: boolean) => void;
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #state: State = 'idle';
  #what = '';
  /** Requests that got a reply on this connection. */
  #served = 0;
  #head: HeadReader | undefined;
  #body: BodyReader | undefined;
  #pace = new ReadPace();
  readonly #readOn = () => {
    this.#socket.resume();
  };
  #restMs = 0;
  #settle: { resolve: (outcome: Outcome) => void; reject: (error: unknown) => void } | undefined;
  #finish: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #error: P2PError | undefined;
  /** Stops listening to the signal of the request that is carried. */
  #deafen: (() => void) | undefined;

  /** `onFree` is told once a request is over, and whether the connection can carry another; or that it cannot any more. */
  constructor(
    url: URL,
    limits: ConnectionLimits,
    lookup: LookupFunction | undefined,
    onFree: (usable: boolean) => void,
  ) {
    this.#limits = limits;
    this.#onFree = onFree;
    this.#socket = connect({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port || 80),
      noDelay: true,
      ...(lookup === undefined ? {} : { lookup }),
      onread: { buffer: () => this.#room(), callback: (bytes, buffer) => this.#took(bytes, buffer) },
    });
    this.#socket.setTimeout(limits.connectMs);
    this.#socket.once('connect', () => this.#socket.setTimeout(limits.firstByteMs));
    this.#socket.on('timeout', () => this.#late());
    this.#socket.on('error', (cause) => this.#broke(cause));
    this.#socket.on('close', () => this.#broke(new Error('the connection was closed')));
  }

  /** True when it waited for a request and may have been closed by the other side meanwhile. */
  get wasIdle(): boolean {
    return this.#served > 0;
  }

  /** Sends one request; the connection must be free. An abort closes the connection. */
  request({ what, text, interim }: RangeAsk, signal: AbortSignal): Promise<Outcome> {
    this.#what = what;
    this.#state = 'head';
    this.#head = new HeadReader(() => {
      interim?.();
      return this.#state === 'head';
    });
    if (this.wasIdle) this.#socket.setTimeout(this.#limits.firstByteMs);
    const abort = () => this.#fail(new P2PError('CLIENT_GONE', `${what} was aborted`));
    signal.addEventListener('abort', abort, { once: true });
    this.#deafen = () => signal.removeEventListener('abort', abort);
    this.#socket.write(text, 'latin1');
    return new Promise<Outcome>((resolve, reject) => {
      this.#settle = { resolve, reject };
      if (signal.aborted) abort();
    });
  }

  /** Keeps the connection for a later request, for as long as its peer will at most, but no process alive for it. */
  rest(mostMs: number): void {
    this.#socket.setTimeout(Math.min(mostMs, this.#restMs));
    this.#socket.unref();
  }

  wake(): void {
    this.#socket.ref();
  }

  close(): void {
    this.#fail(new P2PError('CLIENT_GONE', `${this.#what} was given up`));
  }

  /** The buffer that the next bytes are read into: the target, while there is room to read in place. */
  #room(): Uint8Array {
    const window = this.#body?.window;
    return window?.length ? window : this.#scratch;
  }

  /** Bytes have come into `buffer`; `false` stops reading until resumed. */
  #took(bytes: number, buffer: Uint8Array): boolean {
    if (this.#state === 'head') return this.#readHead(buffer.subarray(0, bytes));
    const body = this.#body;
    if (this.#state !== 'body' || body === undefined) {
      this.#tooMuch();
      return false;
    }
    const goesOn = this.#proceed(() =>
      buffer === this.#scratch ? body.flow(buffer.subarray(0, bytes)) : body.filled(bytes),
    );
    return goesOn && (this.#state !== 'body' || this.#paces(bytes, body.missing));
  }

  /** `false` when it is better to read on later. */
  #paces(bytes: number, missing: number): boolean {
    const rounds = this.#pace.rounds(bytes, missing, performance.now());
    if (rounds === 0) return true;
    ROUNDS.join(this.#readOn, rounds);
    return false;
  }

  #readHead(piece: Uint8Array): boolean {
    const read = this.#head?.take(piece) ?? 'more';
    if (read === 'more') return this.#state === 'head';
    if (read === 'unsuited') {
      this.#unsuited();
      return false;
    }
    const { head, early } = read;
    if (head.length !== undefined && early.length > head.length) {
      this.#tooMuch();
      return false;
    }
    this.#state = 'held';
    this.#served += 1;
    const body = new BodyReader(this.#what, head.length, early);
    this.#body = body;
    this.#pace = new ReadPace();
    this.#restMs = head.restMs;
    // While nobody reads, the other side does not idle: we do.
    this.#socket.setTimeout(0);
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.resolve({ head, body: this.#reply(head, body), trailers: () => body.trailers });
    return false;
  }

  #reply({ length }: ReplyHead, body: BodyReader): ReplyBody {
    let isGivenUp = false;
    return {
      read: (sink) => this.#begin(() => body.read(sink)),
      fill: (target, progressed) =>
        this.#begin(() => {
          if (length !== undefined && length !== target.length) {
            throw new P2PError('UPSTREAM_MISMATCHED', `${this.#what}: ${length} bytes for ${target.length}`);
          }
          body.fill(target, progressed);
        }),
      discard: () => {
        // By the second call the connection may carry another reply.
        if (!isGivenUp) this.#discard(length, body);
        isGivenUp = true;
      },
    };
  }

  /** Reads out what is short, so that the connection can carry the next request; nobody waits for that. */
  #discard(length: number | undefined, body: BodyReader): void {
    if (this.#body !== body) return;
    if (this.#state !== 'held' || length === undefined || length > DRAIN_BYTES) {
      this.close();
      return;
    }
    const draining = this.#begin(() => body.read(() => {}), DRAIN_MS);
    draining.catch(() => {});
  }

  #begin(prepare: () => void, idleMs = this.#limits.idleMs): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#error !== undefined) return reject(this.#error);
      this.#finish = { resolve, reject };
      this.#state = 'body';
      this.#socket.setTimeout(idleMs);
      const goesOn = this.#proceed(() => {
        prepare();
        return this.#body?.flow() ?? 'more';
      });
      if (goesOn) this.#socket.resume();
    });
  }

  /** Takes a step in the body; `false` when no more is to be read now. */
  #proceed(step: () => 'more' | 'ended' | Promise<void>): boolean {
    try {
      const result = step();
      if (result instanceof Promise) this.#await(result);
      // Who is told of progress may have given up.
      else if (this.#state !== 'body') return false;
      else if (result === 'more') return true;
      else return this.#ended();
    } catch (error) {
      this.#fail(error);
    }
    return false;
  }

  /** Goes on once the sink is not busy any more. */
  #await(busy: Promise<void>): void {
    // Meanwhile it is not the other side that idles.
    this.#socket.setTimeout(0);
    busy.then(
      () => {
        if (this.#state !== 'body') return;
        this.#socket.setTimeout(this.#limits.idleMs);
        if (this.#proceed(() => this.#body?.flow() ?? 'more')) this.#socket.resume();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #tooMuch(): void {
    this.#fail(new P2PError('UPSTREAM_MISMATCHED', `${this.#what}: more bytes than announced`));
  }

  /** `true` as long as the connection is read on, to see the other side close it. */
  #ended(): boolean {
    const finish = this.#finish;
    this.#reset();
    this.#state = 'idle';
    const isUsable = this.#restMs > 0;
    if (!isUsable) this.#shut();
    finish?.resolve();
    this.#onFree(isUsable);
    return isUsable;
  }

  #unsuited(): void {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#reset();
    this.#shut();
    settle?.resolve('unsuited');
    this.#onFree(false);
  }

  /** Where this process is late itself, what it waits for may be there and not read yet: timers go before input. */
  #late(): void {
    const progress = () => [this.#state, this.#socket.connecting, this.#socket.bytesRead].join();
    const before = progress();
    setImmediate(() => {
      if (progress() === before) this.#timedOut();
    });
  }

  #timedOut(): void {
    if (this.#state === 'idle') {
      this.#broke(new Error('idle for long'));
      return;
    }
    const phase = this.#socket.connecting ? 'connect' : this.#phase;
    this.#fail(timeoutFault(this.#what, phase, this.#limits));
  }

  get #phase(): 'head' | 'body' {
    return this.#state === 'head' ? 'head' : 'body';
  }

  #broke(cause: Error): void {
    if (this.#state === 'closed') return;
    this.#fail(brokenFault(this.#what, this.#phase, cause));
  }

  #fail(error: unknown): void {
    if (this.#state === 'closed') return;
    if (error instanceof P2PError) this.#error = error;
    this.#shut();
    const { reject } = this.#settle ?? this.#finish ?? {};
    this.#settle = undefined;
    this.#reset();
    reject?.(error);
    this.#onFree(false);
  }

  #shut(): void {
    this.#state = 'closed';
    this.#socket.destroy();
  }

  #reset(): void {
    this.#deafen?.();
    this.#deafen = undefined;
    this.#finish = undefined;
    this.#body = undefined;
    ROUNDS.leave(this.#readOn);
  }
}
