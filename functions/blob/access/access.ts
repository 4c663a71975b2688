import { P2PError } from '../../protocol/errors.ts';
import type { Grant } from '../../protocol/grant.ts';
import type { ReaderEvents } from '../events.ts';
import type { ChunkStore } from '../store.ts';
import { anonymityOf, type Credential, expiryOf, NO_CREDENTIAL } from './credential.ts';
import { PublicRights } from './public-rights.ts';
import { Verdicts } from './verdicts.ts';

/** How strictly rights are looked at. */
export interface AccessPolicy {
  /** How long the origin's yes to a credential holds at most, milliseconds. */
  readonly ttlMs: number;
  /** What counts when the origin cannot be asked: `stale` lets the last it said to a credential count on. */
  readonly onOutage: 'deny' | 'stale';
  /** False: what is cached is served to anyone. */
  readonly check: boolean;
}

/** Who asks to read what. */
export interface AccessRequest {
  /** What the right covers: the scope of an address, or one version of what has no digest; see `rightOf`. */
  readonly right: string;
  /** The one thing that is asked for: a refusal may be of it alone. */
  readonly identity: string;
  readonly credential: Credential;
}

/** What everyone may read is to be confirmed after a day. */
const PUBLIC_MS = 24 * 60 * 60 * 1000;
/** A refusal is repeated for this long; by then somebody may have been given the right. */
const REFUSED_MS = 10_000;

/** What a right of everyone looks like where nothing is checked. */
const UNCHECKED: Grant = { untilMs: Number.POSITIVE_INFINITY, publicBy: 'bare' };

/**
 * Who may read what is cached, by what origins have said. It asks nobody: whoever talks to an origin tells it what
 * that said, and asks it before serving what is kept.
 */
export class Access {
  readonly #policy: AccessPolicy;
  readonly #now: () => number;
  readonly #verdicts = new Verdicts();
  readonly #publics: PublicRights;

  constructor(
    store: Pick<ChunkStore, 'readAccess' | 'writeAccess' | 'remove'>,
    events: Pick<ReaderEvents, 'failed'>,
    policy: AccessPolicy,
    now: () => number,
  ) {
    this.#policy = policy;
    this.#now = now;
    this.#publics = new PublicRights(store, events);
  }

  get isChecking(): boolean {
    return this.#policy.check;
  }

  /** The grant that holds without asking, as far as is known in memory; see `recall`. */
  granted({ right, credential }: AccessRequest): Grant | undefined {
    if (!this.#policy.check) return UNCHECKED;
    const nowMs = this.#now();
    const mark = this.#publics.peek(right);
    if (mark !== undefined && nowMs < mark.publicUntilMs)
      return { untilMs: mark.publicUntilMs, publicBy: mark.by };
    if (credential === NO_CREDENTIAL) return undefined;
    const untilMs = this.#verdicts.allowedUntil(right, credential);
    return untilMs !== undefined && nowMs < untilMs ? { untilMs, publicBy: undefined } : undefined;
  }

  /** Looks into the store for what everyone may read. */
  recall({ right }: AccessRequest): Promise<void> {
    return this.#publics.recall(right);
  }

  /** The origin's refusal that is to be repeated, for it was asked a moment ago. */
  refusal({ identity, credential }: AccessRequest): P2PError | undefined {
    const refusal = this.#verdicts.refusalOf(identity, credential);
    return refusal !== undefined && this.#now() < refusal.repeatsUntilMs ? refusal.error : undefined;
  }

  /**
   * Takes note that the origin let a request read; `said` is the grant that came along when another node was asked
   * in its place, which is never stretched.
   */
  accept({ right, identity, credential }: AccessRequest, said?: Grant): Grant {
    const nowMs = this.#now();
    const saidUntilMs = said?.untilMs ?? Number.POSITIVE_INFINITY;
    this.#verdicts.forgive(identity, credential);
    const publicBy = said === undefined ? anonymityOf(credential) : said.publicBy;
    if (publicBy !== undefined) {
      const untilMs = Math.min(nowMs + PUBLIC_MS, saidUntilMs);
      this.#publics.mark(right, untilMs, publicBy);
      return { untilMs, publicBy };
    }
    const untilMs = Math.min(nowMs + this.#policy.ttlMs, saidUntilMs, expiryOf(credential));
    this.#verdicts.allow(right, credential, untilMs);
    return { untilMs, publicBy: undefined };
  }

  /**
   * Takes note of what the origin refused a request with: UPSTREAM_REFUSED, of whatever status but 429. It counts when
   * the origin is away; and `repeats` says that meanwhile `refusal` is to spare it the same question.
   */
  refuse({ right, identity, credential }: AccessRequest, error: P2PError, repeats = false): void {
    const nowMs = this.#now();
    this.#verdicts.refuse(identity, credential, error, repeats ? nowMs + REFUSED_MS : nowMs);
    // Anything else, such as 404, is about the one thing asked for.
    if (error.status !== 401 && error.status !== 403) return;
    this.#verdicts.disallow(right, credential);
    this.#verdicts.refuse(right, credential, error, nowMs);
    // Registries that go by tokens refuse everyone who comes without one: that says nothing about what a token that
    // names nobody may read. Nor does an old token.
    const mark = this.#publics.peek(right);
    if (mark?.by === anonymityOf(credential) && nowMs < expiryOf(credential)) this.#publics.end(right);
  }

  /**
   * The grant of a request for which the origin could not be asked.
   *
   * @throws P2PError what the origin last refused this credential with, if that is known; the 429 that `cause` is;
   * else ACCESS_UNPROVEN.
   */
  inOutage(request: AccessRequest, cause: unknown): Grant {
    const { right, identity, credential } = request;
    const granted = this.granted(request);
    if (granted !== undefined) return granted;
    const nowMs = this.#now();
    // Once public, it is for the origin to say that it is not any more.
    const mark = this.#publics.peek(right);
    if (mark !== undefined) return { untilMs: nowMs, publicBy: mark.by };
    const refusal =
      this.#verdicts.refusalOf(identity, credential) ?? this.#verdicts.refusalOf(right, credential);
    if (refusal !== undefined) throw refusal.error;
    const wasAllowed = this.#verdicts.allowedUntil(right, credential) !== undefined;
    if (wasAllowed && this.#policy.onOutage === 'stale') return { untilMs: nowMs, publicBy: undefined };
    if (cause instanceof P2PError && cause.code === 'UPSTREAM_REFUSED') throw cause;
    throw unproven(cause);
  }

  /** Resolves when what is to survive a restart is kept. */
  settled(): Promise<void> {
    return this.#publics.settled();
  }
}

/** The refusal of what is cached, where nobody can say whether the asker may have it. */
export function unproven(cause: unknown): P2PError {
  const text = 'this is cached, but its origin cannot be asked whether you may read it; try again later';
  return new P2PError('ACCESS_UNPROVEN', text, { cause });
}
