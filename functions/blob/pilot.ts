import type { Address } from '../protocol/address.ts';
import { type HeaderLines, P2PError } from '../protocol/errors.ts';
import type { Access } from './access/access.ts';
import { isRefusal, requestOf } from './access/guard.ts';
import type { Ask } from './ask.ts';
import { fillInTurn } from './askers.ts';
import type { Chunk } from './chunk.ts';
import type { ReaderEvents } from './events.ts';
import type { BlobFacts } from './facts.ts';
import { Filler, type FillOrder, type OpenReply } from './fill.ts';
import type { Flight } from './flight.ts';
import { type Claim, type Leases, NO_LEASES, type Waiting } from './leases.ts';
import { chunkPath, leasePath } from './path.ts';
import type { StoredChunks } from './stored-chunks.ts';
import type { ShownRight, Upstream } from './upstream.ts';

/** What flying takes. */
interface PilotParts {
  readonly stored: StoredChunks;
  readonly upstream: Upstream;
  readonly access: Access;
  readonly events: ReaderEvents;
  readonly leases?: Leases | undefined;
  readonly sumsAll: boolean;
}

/** What a pilot asks of the fleet, and tells it. */
interface Tower {
  /** What an upstream is sent for an ask. */
  headersFor(ask: Ask): HeaderLines;
  /** Keeps that a blob matched its digest. */
  seal(address: Address, facts: BlobFacts, sealed: readonly string[]): Promise<void>;
  /** Has the process wait for work that never fails. */
  track(work: Promise<void>): void;
}

/** A reply that goes on as a flight. */
export interface Adopted {
  readonly opened: OpenReply;
  readonly claim: Promise<Claim<Chunk>>;
}

/**
 * Brings flights to their end: the chunk out of the store, or filled by the upstream, once in the world where other
 * processes fill the same store, and kept.
 */
export class Pilot {
  readonly #parts: PilotParts;
  readonly #leases: Leases;
  readonly #filler: Filler;
  readonly #tower: Tower;
  readonly #signal: AbortSignal;
  #filling = 0;

  constructor(parts: PilotParts, tower: Tower, signal: AbortSignal) {
    this.#parts = parts;
    this.#leases = parts.leases ?? NO_LEASES;
    this.#filler = new Filler(parts.upstream, parts.events, signal, parts.sumsAll);
    this.#tower = tower;
    this.#signal = signal;
  }

  /** Flights that the upstream fills. */
  get filling(): number {
    return this.#filling;
  }

  /** The right to fill a flight whose reply is there already; who fills it elsewhere is not waited for. */
  claim(flight: Flight): Promise<Claim<Chunk>> {
    return this.#claim(flight, 'not at all', async () => undefined);
  }

  /**
   * Resolves to true when nothing started here looks at the flight's memory any more.
   *
   * @throws what `Filler.fill` does, with the flight as far as it came.
   */
  async fly(flight: Flight, ask: Ask, facts: BlobFacts, adopted?: Adopted): Promise<boolean> {
    const { stored } = this.#parts;
    const look = () => stored.read(flight);
    const known = adopted === undefined ? await look() : undefined;
    if (known !== undefined) return this.#landStored(flight, known);
    const claim = adopted?.claim ?? this.#claim(flight, 'until found', look);
    const found = adopted === undefined ? (await claim).found : undefined;
    if (found !== undefined) return this.#landStored(flight, found);
    try {
      const chunk = await this.#fillInRoom(flight, facts, adopted?.opened);
      claim.then((own) => own.found === undefined && own.filled?.()).catch(() => {});
      flight.land(chunk);
      if (flight.isDisowned) return true;
      const isKept = await stored.keep(flight.id, chunk);
      // Of a blob of one chunk the chunk's digest is the blob's: it is proven.
      const isProven =
        facts.sealed === undefined && facts.digest !== undefined && flight.length === facts.size;
      if (isProven && chunk.sha256 !== undefined) await this.#tower.seal(ask.address, facts, [chunk.sha256]);
      return isKept;
    } finally {
      // Those who wait for the flight need not wait for this.
      this.#tower.track(claim.then(({ release }) => release?.()).catch(() => {}));
    }
  }

  #landStored(flight: Flight, chunk: Chunk): true {
    flight.from = this.#parts.stored.name;
    flight.land(chunk);
    return true;
  }

  #claim({ id }: Flight, waiting: Waiting, look: () => Promise<Chunk | undefined>): Promise<Claim<Chunk>> {
    return this.#leases.claim(leasePath(chunkPath(id)), look, waiting, this.#signal);
  }

  /** What it is read by, where that is more than this node's own rule not to ask. */
  #rightOf(ask: Ask, facts: BlobFacts): ShownRight | undefined {
    const { access } = this.#parts;
    if (!access.isChecking) return undefined;
    const request = requestOf(ask, facts);
    const grant = ask.shown?.(request.right) ?? access.granted(request);
    return grant && { right: request.right, grant };
  }

  async #fillInRoom(flight: Flight, facts: BlobFacts, opened: OpenReply | undefined): Promise<Chunk> {
    this.#filling += 1;
    try {
      await this.#parts.stored.room();
      return await this.#fill(flight, facts, opened);
    } finally {
      this.#filling -= 1;
    }
  }

  #fill(flight: Flight, facts: BlobFacts, opened: OpenReply | undefined): Promise<Chunk> {
    const known = flight.expected;
    return fillInTurn(
      flight,
      async (ask, isFirst) => {
        // What came until then is nobody's to vouch for any more.
        if (!isFirst) flight.startOver(known);
        if (ask.onlyCached) throw new P2PError('NOT_CACHED', 'the chunk is not here');
        const order: FillOrder = {
          address: ask.address,
          facts,
          headers: this.#tower.headersFor(ask),
          right: this.#rightOf(ask, facts),
        };
        return this.#filler.fill(flight, order, isFirst ? opened : undefined);
      },
      (ask, error) => {
        if (isRefusal(error)) this.#parts.access.refuse(requestOf(ask, facts), error);
      },
    );
  }
}
