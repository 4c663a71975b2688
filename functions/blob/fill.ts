import type { Address } from '../protocol/address.ts';
import { parseContentDigest } from '../protocol/digest.ts';
import { type HeaderLines, P2PError } from '../protocol/errors.ts';
import { headerValue } from '../protocol/headers.ts';
import { formatRange } from '../protocol/range.ts';
import { type Answer, readAnswer } from './answer.ts';
import { firstSuccess } from './attempt.ts';
import type { Chunk } from './chunk.ts';
import type { ReaderEvents } from './events.ts';
import type { BlobFacts } from './facts.ts';
import type { Flight } from './flight.ts';
import { sha256Hex } from './hash.ts';
import { blobKey } from './identity.ts';
import type { Pour } from './pour.ts';
import { Pours } from './pours.ts';
import type { Reply, Source, Upstream } from './upstream.ts';

// A fill that gets on a little each round goes on, but not for ever.
const MAX_ROUNDS = 8;

/** What a fill is for. */
export interface FillOrder {
  readonly address: Address;
  readonly facts: BlobFacts;
  /** Sent to the upstream beside Range. */
  readonly headers: HeaderLines;
}

/** A reply in hand whose head was read already. */
export interface OpenReply {
  readonly source: Source;
  readonly reply: Reply;
  readonly answer: Answer;
}

/** Fills flights from an upstream: what breaks is taken up at the byte where it broke, from the next source. */
export class Filler {
  readonly #upstream: Upstream;
  readonly #events: ReaderEvents;
  readonly #signal: AbortSignal;
  /** What flights of a range-ignoring origin draw from. */
  readonly #pours = new Pours();

  constructor(upstream: Upstream, events: ReaderEvents, signal: AbortSignal) {
    this.#upstream = upstream;
    this.#events = events;
    this.#signal = signal;
  }

  /**
   * Fills a flight and checks it against the digest it expects, if any. `opened` is a reply that begins at the
   * flight's first byte.
   *
   * @throws P2PError what the upstream refused or failed with; ORIGIN_CHANGED when the blob is another version
   * by now; CHUNK_CORRUPT or DIGEST_MISMATCH when the bytes are not those expected.
   */
  async fill(flight: Flight, order: FillOrder, opened?: OpenReply): Promise<Chunk> {
    if (opened !== undefined) {
      await this.#transfer(flight, order, opened).catch((error: unknown) => {
        if (!(error instanceof P2PError) || error.retry !== 'elsewhere') throw error;
        this.#report(opened.source, error);
      });
    }
    for (let round = 1; flight.filled < flight.length; round += 1) {
      const before = flight.filled;
      try {
        await this.#pull(flight, order);
      } catch (error) {
        const gotOn = flight.filled > before && round < MAX_ROUNDS;
        const final =
          error instanceof P2PError && error.retry !== 'elsewhere' && error.code !== 'UPSTREAMS_EXHAUSTED';
        if (!gotOn || final) throw error;
      }
    }
    const chunk = { bytes: flight.bytes, sha256: await sha256Hex(flight.bytes) };
    if (flight.expected !== undefined && flight.expected !== chunk.sha256) {
      const code = order.facts.digest === `sha256:${flight.expected}` ? 'DIGEST_MISMATCH' : 'CHUNK_CORRUPT';
      throw new P2PError(
        code,
        `chunk ${flight.id.index} of ${flight.id.key} from ${flight.from} has other bytes`,
      );
    }
    return chunk;
  }

  #pull(flight: Flight, order: FillOrder): Promise<void> {
    return firstSuccess(
      this.#upstream.sources(order.address),
      async (source) => {
        if (order.facts.rangeless) await this.#draw(flight, order, source);
        else await this.#transfer(flight, order, await this.#open(flight, order, source));
      },
      (source, error) => this.#report(source, error),
    );
  }

  async #open(flight: Flight, { address, headers }: FillOrder, source: Source): Promise<OpenReply> {
    const base = flight.id.index * flight.id.chunkBytes;
    const range = formatRange({ start: base + flight.filled, end: base + flight.length });
    const query = {
      address,
      method: 'GET',
      headers: { ...headers, range, 'accept-encoding': 'identity' },
      bulk: true,
    } as const;
    const reply = await source.open(query, this.#signal);
    return { source, reply, answer: await readAnswer(reply, source.name) };
  }

  async #transfer(flight: Flight, order: FillOrder, opened: OpenReply): Promise<void> {
    const { source, reply, answer } = opened;
    const base = flight.id.index * flight.id.chunkBytes;
    try {
      expectSameVersion(order, opened);
    } catch (error) {
      reply.body.discard();
      throw error;
    }
    if (answer.kind === 'whole' && (flight.length < order.facts.size || flight.filled > 0)) {
      // It ignored Range: these are the blob's first bytes, not the flight's.
      return this.#drawFrom(this.#pours.add(order.facts.key, source, reply), flight, base);
    }
    if (answer.kind === 'part') {
      const wanted = { start: base + flight.filled, end: base + flight.length };
      if (answer.span.start !== wanted.start || answer.span.end !== wanted.end) {
        reply.body.discard();
        throw new P2PError(
          'UPSTREAM_MISMATCHED',
          `${source.name} sent ${formatRange(answer.span)} for ${formatRange(wanted)}`,
        );
      }
    }
    flight.from = source.kind;
    if (flight.filled === 0)
      flight.expected ??= parseContentDigest(headerValue(reply.headers, 'content-digest'));
    if (reply.body.fill !== undefined) await reply.body.fill(flight.room, (bytes) => flight.advance(bytes));
    else await reply.body.read((piece) => flight.append(piece));
    if (flight.filled < flight.length) {
      throw new P2PError(
        'UPSTREAM_TRUNCATED',
        `${source.name} ended ${flight.length - flight.filled} bytes short`,
      );
    }
  }

  async #draw(flight: Flight, order: FillOrder, source: Source): Promise<void> {
    const base = flight.id.index * flight.id.chunkBytes;
    const running = this.#pours.find(order.facts.key, base + flight.filled);
    if (running !== undefined) return this.#drawFrom(running, flight, base);
    const headers = { ...order.headers, 'accept-encoding': 'identity' };
    const reply = await source.open({ address: order.address, method: 'GET', headers }, this.#signal);
    const answer = await readAnswer(reply, source.name);
    await this.#transferWhole(flight, order, { source, reply, answer });
  }

  async #transferWhole(flight: Flight, order: FillOrder, opened: OpenReply): Promise<void> {
    if (opened.answer.kind !== 'whole') {
      opened.reply.body.discard();
      throw new P2PError('UPSTREAM_MISMATCHED', `${opened.source.name} sent a part of what was asked whole`);
    }
    await this.#transfer(flight, order, opened);
  }

  async #drawFrom(pour: Pour, flight: Flight, base: number): Promise<void> {
    flight.from = pour.source.kind;
    await this.#pours.fill(pour, flight, base);
  }

  #report(source: Source, error: P2PError): void {
    this.#events.failed('upstream_failed', { source: source.name, code: error.code, error: error.message });
  }
}

/** Throws unless a reply is of the version that the facts describe. */
function expectSameVersion({ address, facts }: FillOrder, { source, reply, answer }: OpenReply): void {
  const size = answer.kind === 'part' || answer.kind === 'whole' ? answer.size : undefined;
  const etag = headerValue(reply.headers, 'etag');
  const lastModified = headerValue(reply.headers, 'last-modified');
  // A digest has one size and no versions; whoever serves it may name them as it likes.
  const sameVersion =
    facts.digest !== undefined || blobKey(address, facts.size, etag, lastModified) === facts.key;
  if (size === facts.size && sameVersion) return;
  // What a digest names cannot change, so this source is wrong; anything else has changed at the origin.
  const code = facts.digest !== undefined ? 'UPSTREAM_MISMATCHED' : 'ORIGIN_CHANGED';
  throw new P2PError(code, `${source.name} has ${size ?? 'an unknown number of'} bytes of another version`);
}
