import { LRUCache } from 'lru-cache';
import { hasCode, P2PError } from '../../protocol/errors.ts';
import type { Grant } from '../../protocol/grant.ts';
import type { Ask } from '../ask.ts';
import type { BlobFacts } from '../facts.ts';
import { rightOf } from '../identity.ts';
import { type Access, type AccessRequest, unproven } from './access.ts';
import { type CheckParts, checkRight, type Permission } from './check.ts';

// Where an origin hangs, not everyone has to find out by waiting.
const AWAY_MS = 5_000;

/** What a guard is made of. */
export interface GuardParts extends CheckParts {
  readonly access: Access;
}

/** What is to be read, and whether it is known that the scope has it. */
export interface Guarded {
  readonly facts: BlobFacts;
  /** False where the facts came from elsewhere: then a right to read the scope is no right to read this. */
  readonly isMember: boolean;
}

/** Stands before what is cached: lets those pass who may read it, and asks the upstream about those it does not know. */
export class Guard {
  readonly #parts: GuardParts;
  readonly #signal: AbortSignal;
  /** Checks under way, by what is asked for and the credential: those who ask the same wait for one. */
  readonly #checking = new Map<string, Promise<Permission>>();
  /** Checks under way, by the right they would show and the credential: an image's layers need one, not one each. */
  readonly #proofs = new Map<string, Promise<Grant | undefined>>();
  /** Origins that could not be asked a moment ago. */
  readonly #away = new LRUCache<string, { readonly error: unknown; readonly untilMs: number }>({ max: 1000 });

  constructor(parts: GuardParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /**
   * The grant to read what is cached, or `undefined` when the upstream has another version for this asker: then
   * what is cached is not theirs.
   *
   * @throws P2PError UPSTREAM_REFUSED as the origin sent it; ACCESS_UNPROVEN when nobody could be asked.
   */
  async admit(ask: Ask, { facts, isMember }: Guarded): Promise<Grant | undefined> {
    const { access } = this.#parts;
    const request = requestOf(ask, facts);
    // In this turn, for most are known and requests are many.
    const known = isMember || !access.isChecking ? access.granted(request) : undefined;
    if (known !== undefined) return known;
    const shown = isMember ? ask.shown?.(request.right) : undefined;
    if (shown !== undefined && this.#parts.now() < shown.untilMs) return shown;
    await access.recall(request);
    const name = `${request.right}\n${request.credential}`;
    const underWay = access.granted(request) === undefined ? this.#proofs.get(name) : undefined;
    // What comes of it is for whoever asked; what it shows is for all.
    if (underWay !== undefined) await underWay.catch(() => {});
    const granted = isMember ? access.granted(request) : undefined;
    if (granted !== undefined) return granted;
    const refusal = access.refusal(request);
    if (refusal !== undefined) throw refusal;
    if (ask.onlyCached) throw unproven(undefined);
    const proof = this.#check(ask, request, { facts, isMember }).finally(() => {
      if (this.#proofs.get(name) === proof) this.#proofs.delete(name);
    });
    this.#proofs.set(name, proof);
    return proof;
  }

  /** The grant for what is cached and could not be confirmed, for the upstream failed with `cause`; throws as `admit`. */
  async admitInOutage(ask: Ask, { facts, isMember }: Guarded, cause: unknown): Promise<Grant> {
    const request = requestOf(ask, facts);
    if (!isMember) throw unproven(cause);
    await this.#parts.access.recall(request);
    return this.#parts.access.inOutage(request, cause);
  }

  async #check(ask: Ask, request: AccessRequest, guarded: Guarded): Promise<Grant | undefined> {
    const { access } = this.#parts;
    const { facts } = guarded;
    try {
      const permission = await this.#askOnce(ask);
      const isShown =
        facts.digest === undefined ? permission.key === facts.key : permission.size === facts.size;
      return isShown ? access.accept(request, permission.said) : undefined;
    } catch (error) {
      if (isOutage(error)) return this.admitInOutage(ask, guarded, error);
      if (isRefusal(error)) access.refuse(request, error, true);
      throw error;
    }
  }

  #askOnce(ask: Ask): Promise<Permission> {
    const away = this.#away.get(ask.address.origin);
    if (away !== undefined && this.#parts.now() < away.untilMs) return Promise.reject(away.error);
    const name = `${ask.address.url}\n${ask.credential}`;
    const running = this.#checking.get(name);
    if (running !== undefined) return running;
    const checking = this.#ask(ask).finally(() => this.#checking.delete(name));
    this.#checking.set(name, checking);
    return checking;
  }

  async #ask(ask: Ask): Promise<Permission> {
    const { events, now } = this.#parts;
    try {
      const permission = await checkRight(ask, this.#parts, this.#signal);
      events.checked('allowed');
      return permission;
    } catch (error) {
      events.checked(isRefusal(error) ? 'refused' : 'unavailable');
      if (isAway(error)) this.#away.set(ask.address.origin, { error, untilMs: now() + AWAY_MS });
      throw error;
    }
  }
}

/** Who asks to read what; `facts` tell the version, where that is known. */
export const requestOf = ({ address, credential }: Ask, facts: BlobFacts | undefined): AccessRequest => ({
  right: rightOf(address, facts),
  identity: address.identity,
  credential,
});

/** True for what the origin said of the credential; 429 says nothing of it. */
export const isRefusal = (error: unknown): error is P2PError =>
  hasCode(error, 'UPSTREAM_REFUSED') && error.status !== 429;

/** True when the origin, or who asks it for us, is away or failing. 429 may be of one credential alone. */
export const isAway = (error: unknown): boolean =>
  error instanceof P2PError && error.status >= 500 && !isLoop(error);

/** True when nobody could say: those are away, or overwhelmed. */
const isOutage = (error: unknown): boolean =>
  isAway(error) || (error instanceof P2PError && error.status === 429);

/** True when a node refused to ask for the chain of agents before it: anyone can write one, and feign an outage by it. */
function isLoop({ code, cause }: P2PError): boolean {
  if (code === 'LOOP_DETECTED') return true;
  return cause instanceof AggregateError && cause.errors.some((error) => hasCode(error, 'LOOP_DETECTED'));
}
