import type { S3Client } from '@aws-sdk/client-s3';
import { S3RequestPresigner } from '@aws-sdk/s3-request-presigner';

type Signable = Parameters<S3RequestPresigner['presign']>[0];

/**
 * Presigns reads of the objects below a URL. The SDK's own way takes a millisecond a URL, and a plan has hundreds: this
 * is its signer alone.
 */
export class S3Signer {
  readonly #client: S3Client;
  readonly #base: URL;
  readonly #presigner: S3RequestPresigner;

  /** `base` ends in a slash. */
  constructor(client: S3Client, base: URL) {
    this.#client = client;
    this.#base = base;
    this.#presigner = new S3RequestPresigner({ ...client.config });
  }

  /** A URL by which anyone can read the object `key` for so long. */
  async sign(key: string, expiresIn: number): Promise<string> {
    const { protocol, hostname, port, host, pathname } = this.#base;
    const path = pathname + key.split('/').map(escaped).join('/');
    const request = { method: 'GET', protocol, hostname, path, headers: { host }, query: {} };
    const signed = await this.#presigner.presign(
      (port === '' ? request : { ...request, port: Number(port) }) as Signable,
      // Signing a URL does not, as other calls do, go by what the SDK has learnt of a clock that is wrong.
      { expiresIn, signingDate: new Date(Date.now() + this.#client.config.systemClockOffset) },
    );
    const query = Object.entries(signed.query ?? {}).map(
      ([name, value]) => `${name}=${escaped(String(value))}`,
    );
    return `${protocol}//${host}${path}?${query.join('&')}`;
  }
}

/** Where a bucket's objects are: AWS has a host for each, of one label, for TLS knows no more. */
export function objectsUrl(endpoint: string, bucket: string, isAws: boolean): URL {
  const url = new URL(endpoint);
  if (isAws && !bucket.includes('.')) url.hostname = `${bucket}.${url.hostname}`;
  else url.pathname = `${url.pathname.replace(/\/$/, '')}/${bucket}`;
  url.pathname = `${url.pathname.replace(/\/$/, '')}/`;
  return url;
}

// RFC 3986, of which encodeURIComponent leaves some: what is signed and what is sent must be spelled the same.
const escaped = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
