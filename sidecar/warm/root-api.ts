import { P2PError } from '../../functions/protocol/errors.ts';
import { headerValue } from '../../functions/protocol/headers.ts';
import type { PlannedBlob } from '../../functions/root/warm/plan.ts';
import type { Progress } from '../../functions/root/warm/progress.ts';
import type { HttpClient } from '../../functions/service/http-client.ts';
import { readText } from '../../functions/service/read-text.ts';

const MAX_REPLY_BYTES = 16 * 1024 * 1024;
// From the function that reads to the one that serves the API.
const MAX_REDIRECTS = 3;

/** The API of a root. */
export class RootApi {
  readonly #http: Pick<HttpClient, 'request'>;
  readonly #root: string;
  readonly #token: string;

  constructor(http: Pick<HttpClient, 'request'>, root: string, token: string) {
    this.#http = http;
    this.#root = root;
    this.#token = token;
  }

  /** Begins a job, or goes on with it; all calls throw P2PError UPSTREAM_REFUSED with what the root says. */
  start(order: object, signal: AbortSignal): Promise<Progress> {
    return this.ask('POST', '/api/v1/warm', signal, order);
  }

  progress(id: string, signal: AbortSignal): Promise<Progress> {
    return this.ask('GET', `/api/v1/warm/${id}`, signal);
  }

  blobs(id: string, signal: AbortSignal): Promise<readonly PlannedBlob[]> {
    return this.ask('GET', `/api/v1/warm/${id}/blobs`, signal);
  }

  /** Asks for a part of the API; the token goes where the root sends us on to, too. */
  async ask<T>(method: string, path: string, signal: AbortSignal, order?: object): Promise<T> {
    const body = order === undefined ? {} : { body: JSON.stringify(order) };
    const headers = {
      authorization: `Bearer ${this.#token}`,
      accept: 'application/json',
      ...(order === undefined ? {} : { 'content-type': 'application/json' }),
    };
    let url = new URL(this.#root + path);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      const reply = await this.#http.request({ url: url.href, method, headers, ...body }, signal);
      const text = await readText(reply.body, MAX_REPLY_BYTES, url.host);
      const location = headerValue(reply.headers, 'location');
      if (reply.status !== 307 || location === undefined) return read(reply.status, text, url);
      const next = new URL(location, url);
      // The token goes along: it is for all of a root, and for nothing in the open that was not before.
      if (url.protocol === 'https:' && next.protocol !== 'https:') throw refused(url, `redirects to ${next}`);
      url = next;
    }
    throw refused(url, 'redirects without end');
  }
}

function read<T>(status: number, text: string, url: URL): T {
  try {
    if (status < 300) return JSON.parse(text) as T;
  } catch {
    // Said below.
  }
  throw refused(url, `answers ${status}: ${text.trim().slice(0, 1000)}`);
}

const refused = (url: URL, what: string): P2PError =>
  new P2PError('UPSTREAM_REFUSED', `the root at ${url.origin} ${what}`);
