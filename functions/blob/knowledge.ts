import { LRUCache } from 'lru-cache';
import type { Access } from './access/access.ts';
import { NO_CREDENTIAL } from './access/credential.ts';
import { type Guarded, requestOf } from './access/guard.ts';
import type { Membership } from './access/membership.ts';
import type { Ask } from './ask.ts';
import type { Catalog } from './catalog.ts';
import { type BlobFacts, isFresh } from './facts.ts';
import type { Fleet } from './fleet.ts';
import { addressKey } from './identity.ts';

// A doubted blob is fetched anew once for all its chunks' askers, yet again when a bad chunk has come back.
const DOUBTED_MS = 2_000;
// While a blob comes for the first time each chunk's askers come by here, and what would prove it is not in the store yet.
const UNPROVEN_MS = 1_000;

/** What it is made of. */
export interface KnowledgeParts {
  readonly catalog: Catalog;
  readonly membership: Membership;
  readonly access: Access;
  readonly fleet: Pick<Fleet, 'drop'>;
  readonly now: () => number;
}

/** What is known of addresses without asking an upstream, and whether it may be gone by. */
export class Knowledge {
  readonly #parts: KnowledgeParts;
  readonly #doubted = new LRUCache<string, true>({ max: 1000, ttl: DOUBTED_MS });
  /** Addresses that the store was asked about in vain, while a claim on them was known. */
  readonly #unproven = new LRUCache<string, true>({ max: 1000, ttl: UNPROVEN_MS });

  constructor(parts: KnowledgeParts) {
    this.#parts = parts;
  }

  /** What a request that is over by now has learnt while the store was read: asking again would fetch a chunk twice. */
  learned(claim: string): Guarded | undefined {
    const facts = this.#parts.catalog.peek(claim);
    return facts && { facts, isMember: true };
  }

  /** What is known of a blob: what is proven in this scope, else what is proven elsewhere, else what is claimed. */
  async find(ask: Ask, claim: string): Promise<Guarded | undefined> {
    const proven = addressKey(ask.address);
    const claimed = await this.#parts.catalog.find(claim);
    if (claim === proven || claimed?.sealed !== undefined)
      return claimed && { facts: claimed, isMember: true };
    const known = this.#parts.membership.isStranger(claim)
      ? undefined
      : await this.#proven(proven, claimed !== undefined);
    if (known !== undefined) {
      const isMember = claimed?.key === known.key || !this.#parts.access.isChecking;
      return { facts: known, isMember };
    }
    if (claimed === undefined) return undefined;
    const isDoubted = ask.doubtful && !this.#doubted.has(claim) && (await this.#mayRead(ask, claimed));
    if (!isDoubted) return { facts: claimed, isMember: true };
    // A node that asks us has seen these bytes fail: fetch them anew, but not at everyone's every word.
    this.#doubted.set(claim, true);
    await this.#parts.fleet.drop(ask.address, claimed);
    return undefined;
  }

  /** Whether what is known need not be confirmed first, for this asker. */
  mayUse(ask: Ask, known: BlobFacts): boolean {
    const { address, doubtful } = ask;
    return isFresh(known, this.#parts.now(), address) && (!doubtful || known.digest !== undefined);
  }

  /** What a credential makes uncacheable may be cacheable without; what is not even so is not with any. */
  isUncacheable({ credential }: Ask, claim: string): boolean {
    if (this.#parts.catalog.isUncacheable(claim)) return true;
    return credential !== NO_CREDENTIAL && this.#parts.catalog.isUncacheable(privateOf(claim));
  }

  /** Notes that it may not be cached: with a credential, for those who have one. */
  markUncacheable({ credential }: Ask, claim: string): void {
    this.#parts.catalog.markUncacheable(credential === NO_CREDENTIAL ? claim : privateOf(claim));
  }

  /** What is proven of a blob; not looked for in the store each time while somebody has claimed to have it. */
  async #proven(proven: string, isClaimed: boolean): Promise<BlobFacts | undefined> {
    const { catalog } = this.#parts;
    if (isClaimed && this.#unproven.has(proven)) return catalog.peek(proven);
    const known = await catalog.find(proven);
    if (known === undefined && isClaimed) this.#unproven.set(proven, true);
    return known;
  }

  /** Whether it is known that the asker may read this; whoever may not has not seen it fail either. */
  async #mayRead(ask: Ask, facts: BlobFacts): Promise<boolean> {
    const request = requestOf(ask, facts);
    await this.#parts.access.recall(request);
    return this.#parts.access.granted(request) !== undefined;
  }
}

const privateOf = (claim: string): string => `${claim} with a credential`;
