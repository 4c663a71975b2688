import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { Settings } from './config/settings.ts';

/** What a MAC is for: each has a key of its own, so that what is signed for one is nothing for another. */
export type KeyPurpose = 'token' | 'chunk' | 'grant' | 'clock';

type Keys = Readonly<Record<KeyPurpose, KeyObject>>;

/** The keys that nodes of a cluster share, derived from `Secret`. The first signs, any is believed. */
export class ClusterKeys {
  readonly #keys: readonly [Keys, ...Keys[]];

  private constructor(keys: readonly [Keys, ...Keys[]]) {
    this.#keys = keys;
  }

  /** `undefined` where there is no secret. */
  static of(secret: Settings['Secret']): ClusterKeys | undefined {
    const [first, ...others] = secret.map(derive);
    return first && new ClusterKeys([first, ...others]);
  }

  /** The MAC over a text: 43 letters of base64url. */
  sign(purpose: KeyPurpose, text: string): string {
    return hmac(this.#keys[0][purpose], text);
  }

  /** Whether a holder of one of the secrets signed this text; takes as long whatever is wrong with the MAC. */
  verify(purpose: KeyPurpose, text: string, mac: string): boolean {
    const given = Buffer.from(mac);
    let isRight = false;
    for (const keys of this.#keys) {
      const own = Buffer.from(hmac(keys[purpose], text));
      isRight = (own.length === given.length && timingSafeEqual(own, given)) || isRight;
    }
    return isRight;
  }
}

/** Bytes out of a secret that are for this purpose alone (HKDF, RFC 5869): they tell nothing of others. */
export const deriveBytes = (secret: string, purpose: KeyPurpose | 'authority', length: number): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, 'dadip2p', `${purpose} v1`, length));

function derive(secret: string): Keys {
  const key = (purpose: KeyPurpose): KeyObject => createSecretKey(deriveBytes(secret, purpose, 32));
  return { token: key('token'), chunk: key('chunk'), grant: key('grant'), clock: key('clock') };
}

const hmac = (key: KeyObject, text: string): string =>
  createHmac('sha256', key).update(text).digest('base64url');
