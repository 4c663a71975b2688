import { setMaxListeners } from 'node:events';
import type { Address } from '../protocol/address.ts';
import { hasCode, P2PError } from '../protocol/errors.ts';
import type { Grant } from '../protocol/grant.ts';
import { Access, type AccessPolicy } from './access/access.ts';
import { Guard, type Guarded, isAway, isRefusal, requestOf } from './access/guard.ts';
import { Membership } from './access/membership.ts';
import type { Ask } from './ask.ts';
import { mayReachMore } from './askers.ts';
import { Blob } from './blob.ts';
import { Catalog } from './catalog.ts';
import type { ReaderEvents } from './events.ts';
import { sourceOf } from './facts.ts';
import { isElsewhere } from './fill-failure.ts';
import { Fleet } from './fleet.ts';
import type { Flight } from './flight.ts';
import { Hearing } from './hearing.ts';
import { addressKey, blobKey, claimKey } from './identity.ts';
import { Knowledge } from './knowledge.ts';
import { type Claim, type Leases, NO_LEASES, UNLEASED } from './leases.ts';
import type { LookAhead } from './look-ahead.ts';
import { factsPath, leasePath } from './path.ts';
import { Probe } from './probe.ts';
import type { ChunkStore } from './store.ts';
import { StoredChunks } from './stored-chunks.ts';
import type { Upstream } from './upstream.ts';

/** What a reader is made of. */
export interface ReaderParts {
  readonly store: ChunkStore;
  readonly upstream: Upstream;
  /** Who may read what is cached. */
  readonly access: AccessPolicy;
  /** Size of the chunks that blobs are cut into. */
  readonly chunkBytes: number;
  readonly lookAhead: LookAhead;
  readonly events: ReaderEvents;
  /** Where other processes fetch into the same store. */
  readonly leases?: Leases | undefined;
  /** True where others check chunks by the digests that this one gives: of each chunk one is made. */
  readonly sumsAll: boolean;
  /** Chunks that may be on their way to the store; fills wait beyond it. Default: `MOST_KEEPING`. */
  readonly mostKeeping?: number | undefined;
  readonly now: () => number;
  /** For tests: overwrite the memory of chunks that nobody holds, so that a use after release shows. */
  readonly poison?: boolean;
}

/** What an upstream said of an address, to whoever asked it. */
interface Opened extends Guarded {
  /** The right that the asker has shown by it; `undefined` when the upstream failed and this is what was known. */
  readonly grant: Grant | undefined;
  readonly failure?: unknown;
  /** True when another process has asked meanwhile, and this is what it has kept: nobody asked for this asker. */
  readonly isKept?: true;
  /** The kind of source that the first bytes came along from: they were fetched, however soon they are in memory. */
  readonly fetchedFrom?: string | undefined;
}

/** A request for what is not known of an address, for all who ask meanwhile. */
interface Opening {
  readonly ask: Ask;
  /** `undefined` when it may not be cached. */
  readonly opened: Promise<Opened | undefined>;
  readonly hearing: Hearing;
}

/**
 * Reads blobs out of a store, and out of an upstream what the store lacks. Root and agent are this engine with
 * other parts. What is cached is read by those alone whom its origin lets read it.
 */
export class BlobReader {
  /** For other ways in that talk to the origin themselves. */
  readonly access: Access;
  readonly #parts: ReaderParts;
  readonly #catalog: Catalog;
  readonly #fleet: Fleet;
  readonly #guard: Guard;
  readonly #membership: Membership;
  readonly #knowledge: Knowledge;
  readonly #probe: Probe;
  readonly #leases: Leases;
  readonly #ended = new AbortController();
  readonly #opening = new Map<string, Opening>();

  constructor(parts: ReaderParts) {
    const { store, events, sumsAll, now } = parts;
    const { signal } = this.#ended;
    this.#parts = parts;
    // Every transfer under way listens to it.
    setMaxListeners(0, signal);
    this.access = new Access(store, events, parts.access, now);
    this.#catalog = new Catalog(store, events);
    this.#fleet = new Fleet({ ...parts, catalog: this.#catalog, access: this.access }, signal);
    this.#guard = new Guard({ ...parts, access: this.access }, signal);
    const stored = new StoredChunks(store, events, sumsAll);
    this.#membership = new Membership({ ...parts, stored }, signal);
    this.#knowledge = new Knowledge({
      catalog: this.#catalog,
      membership: this.#membership,
      access: this.access,
      fleet: this.#fleet,
      now,
    });
    this.#probe = new Probe(parts, signal);
    this.#leases = parts.leases ?? NO_LEASES;
  }

  /** Flights under way. */
  get flights(): number {
    return this.#fleet.size;
  }

  /** The chunk of an address that is on its way, where it is. */
  coming(address: Address, index: number): Flight | undefined {
    const facts = this.#catalog.peek(claimKey(address));
    return facts && this.#fleet.coming(facts, index);
  }

  /**
   * The blob behind an address, or `undefined` when it may not be cached, or not for this asker, and has to be passed
   * through. Those who ask at once share one request for what is not known.
   *
   * @throws P2PError what the upstream refused this asker, or failed with; ACCESS_UNPROVEN when what is cached is not
   * public, and nobody can be asked whether this asker may read it; NOT_CACHED when nobody is to be asked.
   */
  async open(ask: Ask): Promise<Blob | undefined> {
    const atHand = this.#openAtOnce(ask);
    if (atHand !== undefined) return atHand;
    const claim = claimKey(ask.address);
    if (this.#knowledge.isUncacheable(ask, claim)) return undefined;
    const known = (await this.#knowledge.find(ask, claim)) ?? this.#knowledge.learned(claim);
    if (known !== undefined && this.#knowledge.mayUse(ask, known.facts)) return this.#admit(ask, known);
    if (ask.onlyCached) throw new P2PError('NOT_CACHED', 'nothing is known of it here');
    const running = this.#opening.get(claim) ?? this.#learn(claim, ask, known);
    const isOwn = running.ask.credential === ask.credential;
    const opened = await running.hearing.during(running.opened, ask.heard).catch((error: unknown) => {
      if (failsAlone(error, running.ask, ask)) return 'failed' as const;
      throw error;
    });
    if (opened !== 'failed') {
      const isKnown = opened === undefined || opened.failure !== undefined;
      return isOwn || isKnown ? this.#openAs(ask, opened) : this.#admit(ask, opened);
    }
    const own = `${claim}\n${ask.isPassedOn ? 'passed on' : ''}\n${ask.credential}`;
    return this.#openAs(ask, await (this.#opening.get(own) ?? this.#learn(own, ask, known)).opened);
  }

  /**
   * Has what is cached of an address confirmed before it is served again, for the address was just written to (RFC
   * 9111 §4.4). What a digest names does not change by that.
   */
  async invalidate(address: Address): Promise<void> {
    if (address.digest !== undefined) return;
    // The nodes above have not seen the write: they must not vouch for what they keep.
    this.#fleet.suspect(address);
    await this.#catalog.expire(addressKey(address));
  }

  /** Drops from memory what is known of an address: whoever removed it from the store has this one ask there again. */
  release(addressKey: string): void {
    this.#catalog.release(addressKey);
  }

  /** Resolves when all that was fetched and learnt so far is kept: a function waits for it before it freezes. */
  async settled(): Promise<void> {
    await this.#fleet.settled();
    await this.access.settled();
    // A store that was asked before a freeze, and answers after it, looks slow.
    await this.#leases.settled?.();
  }

  /** Ends flights under way with an error and closes the store. */
  async close(): Promise<void> {
    this.#ended.abort();
    await this.settled();
    await this.#parts.store.close();
  }

  /** As `open`, in this turn: `undefined` where what is known, and of whose right, is not all in memory. */
  #openAtOnce(ask: Ask): Blob | undefined {
    const { address } = ask;
    const claim = claimKey(address);
    const facts = this.#catalog.peek(claim);
    const isProven = claim === addressKey(address) || facts?.sealed !== undefined;
    if (facts === undefined || !isProven || !this.#knowledge.mayUse(ask, facts)) return undefined;
    if (this.#knowledge.isUncacheable(ask, claim)) return undefined;
    const grant = this.access.granted(requestOf(ask, facts));
    return grant && new Blob(this.#fleet, ask, facts, grant);
  }

  async #admit(ask: Ask, known: Guarded): Promise<Blob | undefined> {
    const grant = await this.#guard.admit(ask, known);
    if (known.isMember) return grant && new Blob(this.#fleet, ask, known.facts, grant);
    const claim = claimKey(ask.address);
    // Who answers for the one has answered for the other: a registry for all its repositories.
    const isVouched = blobKey(ask.address, known.facts.size, undefined, undefined) === known.facts.key;
    const vouched = { ...known.facts, source: sourceOf(ask.address) };
    const own = grant && (isVouched ? vouched : await this.#membership.prove(ask, known.facts));
    if (own === undefined) {
      // What this origin has under that name is then something else, or to be believed as little.
      this.#membership.disown(claim);
      return this.open(ask);
    }
    this.#fleet.track(this.#catalog.remember(claim, own));
    return new Blob(this.#fleet, ask, own, grant as Grant);
  }

  /** The blob that was opened with the asker's own credential, or could not be opened with any. */
  async #openAs(ask: Ask, opened: Opened | undefined): Promise<Blob | undefined> {
    if (opened === undefined) return undefined;
    if (opened.isKept) return this.#admit(ask, opened);
    const grant = opened.grant ?? (await this.#guard.admitInOutage(ask, opened, opened.failure));
    return new Blob(this.#fleet, ask, opened.facts, grant, opened.fetchedFrom);
  }

  #learn(name: string, ask: Ask, known: Guarded | undefined): Opening {
    const hearing = new Hearing();
    const asked: Ask = { ...ask, heard: () => hearing.heard() };
    const opened = this.#probeFor(asked, known).finally(() => this.#opening.delete(name));
    const opening = { ask, opened, hearing };
    this.#opening.set(name, opening);
    return opening;
  }

  async #probeFor(ask: Ask, known: Guarded | undefined): Promise<Opened | undefined> {
    const claim = claimKey(ask.address);
    const { found: kept, release } = await this.#lease(ask, claim, known);
    if (kept !== undefined) return { ...kept, grant: undefined, isKept: true };
    // What has to be kept before the others look for it.
    const keeping: Promise<void>[] = [];
    const headers = this.#fleet.headersFor(ask);
    // What the asker doubts, the nodes above must not vouch for out of their caches.
    const doubting = ask.doubtful ? { ...headers, 'cache-control': 'no-cache' } : headers;
    try {
      const found = await this.#probe.ask({ ...ask, headers: doubting }, known?.facts);
      if (found === undefined) {
        this.#knowledge.markUncacheable(ask, claim);
        return undefined;
      }
      const { facts, opened, said } = found;
      const grant = this.access.accept(requestOf(ask, facts), said);
      if (opened !== undefined) await this.#fleet.adopt(ask, facts, opened);
      // The first chunk may have been all of it, and have proven it by now.
      const isProven = this.#catalog.peek(claim)?.sealed !== undefined;
      if (!isProven) keeping.push(this.#catalog.remember(claim, facts));
      keeping.push(this.access.settled());
      return {
        facts,
        isMember: true,
        grant,
        fetchedFrom: opened && (opened.reply.from ?? opened.source).kind,
      };
    } catch (failure) {
      if (isRefusal(failure)) this.access.refuse(requestOf(ask, known?.facts), failure);
      // What a digest names does not change while its origin is away.
      if (known?.facts.digest !== undefined && isAway(failure))
        return { ...known, grant: undefined, failure };
      throw failure;
    } finally {
      this.#fleet.track(Promise.all(keeping).then(release));
    }
  }

  /** The right to ask about what nothing is known of, or not of late, or what another process has learnt meanwhile. */
  async #lease(ask: Ask, claim: string, known: Guarded | undefined): Promise<Claim<Guarded>> {
    // What has no digest may have to be confirmed at every word: to wait in line for that is worse than to ask.
    const isEphemeral = known !== undefined && known.facts.digest === undefined;
    if (isEphemeral || ask.doubtful) return UNLEASED;
    const look = async () => {
      if (known !== undefined) await this.#catalog.refresh(claim);
      const found = await this.#knowledge.find(ask, claim);
      return found !== undefined && this.#knowledge.mayUse(ask, found.facts) ? found : undefined;
    };
    return this.#leases.claim(leasePath(factsPath(claim)), look, 'for one', this.#ended.signal);
  }
}

/** True when what has failed for who asked first says nothing of who waits for the same. */
function failsAlone(error: unknown, first: Ask, other: Ask): boolean {
  if (hasCode(error, 'UPSTREAM_REFUSED')) return first.credential !== other.credential;
  return isElsewhere(error) && mayReachMore(other, first);
}
