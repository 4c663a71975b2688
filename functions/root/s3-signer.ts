import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl, S3RequestPresigner } from '@aws-sdk/s3-request-presigner';

type Signable = Parameters<S3RequestPresigner['presign']>[0];

/**
 * Presigns reads of one bucket's objects. The SDK's own way takes a millisecond a URL, and a plan has hundreds: it is
 * gone once, to learn where the bucket is, and all others are signed by the SDK's signer alone.
 */
export class S3Signer {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #presigner: S3RequestPresigner;
  #base: Promise<URL> | undefined;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
    this.#presigner = new S3RequestPresigner({ ...client.config });
  }

  /** A URL by which anyone can read the object `key` for so long. */
  async sign(key: string, expiresIn: number): Promise<string> {
    this.#base ??= this.#locate();
    const { protocol, hostname, port, host, pathname } = await this.#base;
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

  /** Where the bucket's objects are: below its name, or below a host of its own. */
  async #locate(): Promise<URL> {
    const Key = 'x';
    const url = new URL(
      await getSignedUrl(this.#client, new GetObjectCommand({ Bucket: this.#bucket, Key })),
    );
    url.pathname = url.pathname.slice(0, -Key.length);
    return url;
  }
}

// RFC 3986, of which encodeURIComponent leaves some: what is signed and what is sent must be spelled the same.
const escaped = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
