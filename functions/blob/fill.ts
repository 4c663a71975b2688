import type { Address } from '../protocol/address.ts';
import { parseContentDigest } from '../protocol/digest.ts';
import { type HeaderLines, P2PError } from '../protocol/errors.ts';
import { AGENT_HEADER, headerValue } from '../protocol/headers.ts';
import { formatRange } from '../protocol/range.ts';
import { type Answer, readAnswer } from './answer.ts';
import { firstSuccess } from './attempt.ts';
import type { Chunk } from './chunk.ts';
import type { ReaderEvents } from './events.ts';
import type { BlobFacts } from './facts.ts';
import { exhausted, expectSameVersion, isElsewhere, isOfOtherFacts, unproven } from './fill-failure.ts';
import type { Flight } from './flight.ts';
import { sha256Hex } from './hash.ts';
import type { Pour } from './pour.ts';
import { Pours } from './pours.ts';
import type { Giver, Reply, ShownRight, Source, Upstream } from './upstream.ts';

// A fill that gets on a little each round goes on, but not for ever.
const MAX_ROUNDS = 8;
// A client that has nothing else to read for so long is held up.
const AWAITED_MS = 2_000;
// A client that sees nothing for so long is shown sooner what comes from those it can be shown; but not when all of it is
// there in as long again: whoever leaves what is nearly there has it sent once more, and all that wait for it leave at once.
const URGENT_MS = 10_000;

/** What a fill is for. */
export interface FillOrder {
  readonly address: Address;
  readonly facts: BlobFacts;
  /** Sent to the upstream beside Range. */
  readonly headers: HeaderLines;
  /** See `Wanted`. */
  readonly right?: ShownRight | undefined;
}

/** A flight being filled, by its order. */
interface Filling extends FillOrder {
  readonly flight: Flight;
  /** What was known of its digest at first. */
  readonly known: string | undefined;
  /** Those that the flight's bytes came from, by name; the last one last. */
  readonly givers: Map<string, Giver>;
  /** Who sent the end of it, and all that was to come behind. */
  ender: Giver | undefined;
  /** By name, how often a source has sent other bytes than those expected. */
  readonly blamed: ReadonlyMap<string, number>;
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
  readonly #sumsAll: boolean;
  /** What flights of a range-ignoring origin draw from. */
  readonly #pours = new Pours();

  /** With `sumsAll` every chunk is hashed, else those that are checked by their digest. */
  constructor(upstream: Upstream, events: ReaderEvents, signal: AbortSignal, sumsAll: boolean) {
    this.#sumsAll = sumsAll;
    this.#upstream = upstream;
    this.#events = events;
    this.#signal = signal;
  }

  /**
   * Fills a flight and checks it against the digest it expects, if any. `opened` is a reply that begins at the
   * flight's first byte. Bytes that are not those expected are dropped and asked for elsewhere, of each source
   * at most once more, as long as nobody has seen any of them. What siblings sent is dropped too when nothing proves
   * it; of them nobody has seen any.
   *
   * @throws P2PError what the upstream refused or failed with; ORIGIN_CHANGED when the blob is another version
   * by now; DIGEST_MISMATCH when no source has the bytes of the blob's digest, UPSTREAMS_EXHAUSTED when none has
   * those of the chunk's; either of DIGEST_MISMATCH and CHUNK_CORRUPT when wrong bytes were seen.
   */
  async fill(flight: Flight, order: FillOrder, opened?: OpenReply): Promise<Chunk> {
    const known = flight.expected;
    const blamed = new Map<string, number>();
    let mismatch: P2PError | undefined;
    for (let times = 0; ; times += 1) {
      const givers = new Map<string, Giver>();
      const filling: Filling = { ...order, flight, known, givers, ender: undefined, blamed };
      await this.#fillUp(filling, times > 0 ? undefined : opened).catch((error: unknown) => {
        if (mismatch === undefined || !isElsewhere(error) || isOfOtherFacts(error, order.facts)) throw error;
        throw exhausted(mismatch);
      });
      const isChecked = this.#sumsAll || flight.expected !== undefined || order.facts.digest !== undefined;
      const chunk = flight.chunk(isChecked ? await sha256Hex(flight.bytes) : undefined);
      if (isChecked && flight.expected === chunk.sha256) return chunk;
      if (flight.expected === undefined && flight.isTrusted) return chunk;
      // A sibling that broke off could not prove what it had sent; one that sent the end of it should have.
      if (flight.expected !== undefined || filling.ender?.kind === 'sibling') {
        mismatch = this.#blame(filling);
        for (const name of filling.givers.keys()) blamed.set(name, (blamed.get(name) ?? 0) + 1);
      }
      if (times === MAX_ROUNDS || !flight.startOver(known)) throw mismatch ?? unproven(flight);
    }
  }

  async #fillUp(filling: Filling, opened: OpenReply | undefined): Promise<void> {
    const { flight } = filling;
    if (opened !== undefined) {
      flight.journey?.asked(opened.source);
      await this.#transfer(filling, opened).catch((error: unknown) => {
        if (!(error instanceof P2PError) || error.retry !== 'elsewhere') throw error;
        this.#report(filling, opened.source, error);
      });
    }
    for (let round = 1; flight.filled < flight.length; round += 1) {
      const before = flight.filled;
      try {
        await this.#pull(filling);
      } catch (error) {
        const gotOn = flight.filled > before && round < MAX_ROUNDS;
        if (!gotOn || !isElsewhere(error)) throw error;
      }
    }
  }

  #pull(filling: Filling): Promise<void> {
    return firstSuccess(
      this.#sources(filling),
      async (source) => {
        // Broken off between its last byte and what was to prove it.
        if (filling.flight.filled === filling.flight.length) return;
        if (filling.facts.rangeless) await this.#draw(filling, source);
        else await this.#transfer(filling, await this.#open(filling, source));
      },
      (source, error) => this.#report(filling, source, error),
    );
  }

  /**
   * Those that sent no wrong bytes yet, then those that did once: it may have happened on the way. Once somebody has,
   * those that are trusted come before the others.
   */
  *#sources({ address, headers, facts, flight, blamed, right }: Filling): Iterable<Source> {
    const again: Source[] = [];
    const untrusted: Source[] = [];
    const wanted = { index: flight.id.index, chain: headerValue(headers, AGENT_HEADER), right };
    // A blob that is read in one go is no chunk's owner's to fetch; and siblings vouch for nothing that is doubted.
    const isForAll = !facts.rangeless && !('cache-control' in headers);
    for (const source of this.#upstream.sources(address, isForAll ? wanted : undefined)) {
      const times = blamed.get(source.name) ?? 0;
      if (blamed.size > 0 && source.kind === 'sibling') {
        if (times === 0) untrusted.push(source);
      } else if (times === 0) yield source;
      else if (times === 1) again.push(source);
    }
    yield* again;
    yield* untrusted;
  }

  async #open(filling: Filling, source: Source): Promise<OpenReply> {
    const { flight, address, known } = filling;
    // Nobody but a sibling can prove what siblings have begun: of others the rest would be asked for in vain.
    if (source.kind !== 'sibling' && !flight.isTrusted && flight.expected === undefined)
      flight.startOver(known);
    const base = flight.id.index * flight.id.chunkBytes;
    const range = formatRange({ start: base + flight.filled, end: base + flight.length });
    const query = {
      address,
      method: 'GET',
      headers: { ...headersFor(filling, source), range },
      bulk: true,
      heard: () => flight.heard(),
      isAwaited: () => flight.awaitedMs >= AWAITED_MS,
      isUrgent: () => isUrgent(flight),
    } as const;
    flight.journey?.asked(source);
    const reply = await source.open(query, this.#signal);
    return { source, reply, answer: await readAnswer(reply, source) };
  }

  async #transfer(filling: Filling, opened: OpenReply): Promise<void> {
    const { flight, facts, givers } = filling;
    const { source, reply, answer } = opened;
    const base = flight.id.index * flight.id.chunkBytes;
    try {
      expectSameVersion(filling, opened);
    } catch (error) {
      reply.body.discard();
      throw error;
    }
    if (answer.kind === 'whole' && (flight.length < facts.size || flight.filled > 0)) {
      // It ignored Range: these are the blob's first bytes, not the flight's.
      return this.#drawFrom(this.#pours.add(facts.key, source, reply), filling);
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
    const giver = reply.from ?? source;
    flight.from = giver.kind;
    flight.journey?.answered(giver, reply.redirects ?? 0);
    give(givers, giver);
    if (giver.kind === 'sibling') flight.distrust();
    else if (flight.filled === 0)
      flight.expected ??= parseContentDigest(headerValue(reply.headers, 'content-digest'));
    if (reply.body.fill !== undefined) await reply.body.fill(flight.room, (bytes) => flight.advance(bytes));
    else await reply.body.read((piece) => flight.append(piece));
    if (flight.filled < flight.length) {
      throw new P2PError(
        'UPSTREAM_TRUNCATED',
        `${giver.name} ended ${flight.length - flight.filled} bytes short`,
      );
    }
    filling.ender = giver;
    if (!flight.isTrusted) flight.expected ??= reply.proof?.(facts, flight.id.index);
  }

  async #draw(filling: Filling, source: Source): Promise<void> {
    const { flight, facts, address, blamed } = filling;
    const offset = flight.id.index * flight.id.chunkBytes + flight.filled;
    // What has to be had from another source, or sent anew, is not in a transfer that runs already.
    const running = blamed.size === 0 ? this.#pours.find(facts.key, offset) : undefined;
    if (running !== undefined) return this.#drawFrom(running, filling);
    const headers = headersFor(filling, source);
    flight.journey?.asked(source);
    const reply = await source.open({ address, method: 'GET', headers }, this.#signal);
    const answer = await readAnswer(reply, source);
    await this.#transferWhole(filling, { source, reply, answer });
  }

  async #transferWhole(filling: Filling, opened: OpenReply): Promise<void> {
    if (opened.answer.kind !== 'whole') {
      opened.reply.body.discard();
      throw new P2PError('UPSTREAM_MISMATCHED', `${opened.source.name} sent a part of what was asked whole`);
    }
    await this.#transfer(filling, opened);
  }

  async #drawFrom(pour: Pour, { flight, givers }: Filling): Promise<void> {
    flight.from = pour.source.kind;
    flight.journey?.answered(pour.source, 0);
    give(givers, pour.source);
    await this.#pours.fill(pour, flight, flight.id.index * flight.id.chunkBytes);
  }

  /** Tells whose bytes were wrong, and returns what that is to the reader. */
  #blame({ flight, facts, givers }: Filling): P2PError {
    const source = [...givers.keys()].join(', ');
    for (const giver of givers.values()) giver.blame?.();
    this.#events.failed('chunk_corrupt', { ...flight.id, from: flight.from, source });
    const code = facts.digest === `sha256:${flight.expected}` ? 'DIGEST_MISMATCH' : 'CHUNK_CORRUPT';
    return new P2PError(code, `${source} sent other bytes for chunk ${flight.id.index} of ${flight.id.key}`);
  }

  #report({ flight }: Filling, source: Source, error: P2PError): void {
    flight.journey?.failed(error.code);
    this.#events.failed('upstream_failed', { source: source.name, code: error.code, error: error.message });
  }
}

/** Whether a client has waited long for what it would see sooner by another source. */
function isUrgent({ isTrusted, expected, awaitedMs, leftMs }: Flight): boolean {
  // Of a chunk whose digest is known nothing is shown before it is whole, whoever it comes from.
  const isShownAsItComes = isTrusted || expected === undefined;
  return isShownAsItComes && awaitedMs >= URGENT_MS && leftMs >= URGENT_MS;
}

/** Puts a giver last of those that gave. */
function give(givers: Map<string, Giver>, giver: Giver): void {
  givers.delete(giver.name);
  givers.set(giver.name, giver);
}

/** What one source is sent; one that sent wrong bytes is asked not to answer out of a cache. */
const headersFor = ({ headers, blamed }: Filling, { name }: Source): HeaderLines => ({
  ...headers,
  ...(blamed.has(name) ? { 'cache-control': 'no-cache' } : {}),
  'accept-encoding': 'identity',
});
