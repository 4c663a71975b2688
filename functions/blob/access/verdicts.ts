import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { P2PError } from '../../protocol/errors.ts';
import { KiB, MiB } from '../chunk.ts';
import type { Credential } from './credential.ts';

// As a size, for which no list of so many slots is made ahead: four such took a cold start 50 ms.
const MAX_ALLOWED = 100_000;
const MAX_REFUSED_BYTES = 16 * MiB;
// Registries explain themselves in a few hundred bytes; of more the beginning has to do.
const MAX_BODY_BYTES = 16 * KiB;

/** The origin's answer to a credential it refused. */
export interface Refusal {
  readonly error: P2PError;
  /** Until when it is repeated without asking, milliseconds since the epoch. */
  readonly repeatsUntilMs: number;
}

/**
 * What origins said to credentials, by a hash that is worth nothing outside this process. The list is bounded: what
 * is forgotten is asked again.
 */
export class Verdicts {
  readonly #key = randomBytes(32);
  /** Until when, milliseconds since the epoch; kept beyond that as the last that is known. */
  readonly #allowed = new LRUCache<string, number>({ maxSize: MAX_ALLOWED, sizeCalculation: () => 1 });
  readonly #refused = new LRUCache<string, Refusal>({
    maxSize: MAX_REFUSED_BYTES,
    sizeCalculation: ({ error }) => KiB + (error.body?.length ?? 0) + JSON.stringify(error.headers).length,
  });

  allow(right: string, credential: Credential, untilMs: number): void {
    const name = this.#nameOf(right, credential);
    this.#allowed.set(name, untilMs);
    this.#refused.delete(name);
  }

  /** Forgets a refusal that does not hold any more. */
  forgive(what: string, credential: Credential): void {
    this.#refused.delete(this.#nameOf(what, credential));
  }

  /** Takes a right back. */
  disallow(right: string, credential: Credential): void {
    this.#allowed.delete(this.#nameOf(right, credential));
  }

  /** Until when a credential was last given a right, perhaps in the past; `undefined` when it never was. */
  allowedUntil(right: string, credential: Credential): number | undefined {
    return this.#allowed.get(this.#nameOf(right, credential));
  }

  refuse(what: string, credential: Credential, error: P2PError, repeatsUntilMs: number): void {
    // Cookies are for the one client whose request this was.
    const { 'set-cookie': _, ...headers } = error.headers;
    const body = error.body?.subarray(0, MAX_BODY_BYTES);
    const kept = new P2PError(error.code, error.message, {
      status: error.status,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    this.#refused.set(this.#nameOf(what, credential), { error: kept, repeatsUntilMs });
  }

  refusalOf(what: string, credential: Credential): Refusal | undefined {
    return this.#refused.get(this.#nameOf(what, credential));
  }

  #nameOf(what: string, credential: Credential): string {
    return createHmac('sha256', this.#key).update(`${what}\0${credential}`).digest('base64');
  }
}
