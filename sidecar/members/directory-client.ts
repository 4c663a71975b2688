import type { Reply } from '../../functions/blob/upstream.ts';
import { type HeaderLines, P2PError } from '../../functions/protocol/errors.ts';
import { headerValue } from '../../functions/protocol/headers.ts';
import { AGENTS_PATH, type Announcement, parseMembers } from '../../functions/protocol/member.ts';
import { ROOT_AUDIENCE, type TokenUse } from '../../functions/protocol/token.ts';
import type { HttpClient } from '../../functions/service/http-client.ts';
import type { NodeCalls } from '../../functions/service/node-calls.ts';
import { readText } from '../../functions/service/read-text.ts';
import type { Member } from './member.ts';

/** How one root's directory is asked. */
export interface DirectoryClientParts {
  /** `scheme://host:port`, without a slash at the end. */
  readonly root: string;
  readonly http: Pick<HttpClient, 'request'>;
  /** Proves who asks. */
  readonly calls: NodeCalls;
}

// Ten thousand members, twice over.
const MAX_LIST_BYTES = 4 * 2 ** 20;
// A function that starts takes a second; the next root is not to wait for one that hangs.
const CALL_MS = 10_000;

/** The directory of one root. A redirect of that root is followed, once, and remembered; no other is. */
export class DirectoryClient {
  readonly root: string;
  readonly #parts: DirectoryClientParts;
  /** Where the root has sent us, in place of itself. */
  #place: string | undefined;
  #last: { readonly etag: string; readonly members: readonly Member[] } | undefined;

  constructor(parts: DirectoryClientParts) {
    this.#parts = parts;
    this.root = parts.root;
  }

  /** @throws P2PError when it was not heard. */
  announce(announcement: Announcement, signal: AbortSignal): Promise<void> {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify(announcement);
    return soon(signal, async (limit) => {
      const reply = await this.#call(
        { method: 'POST', use: 'write', path: AGENTS_PATH, headers, body },
        limit,
      );
      reply.body.discard();
      if (reply.status !== 204) throw this.#refused(reply.status);
    });
  }

  /** The members of a zone that the root knows: the same array as before while they are the same. */
  list(zone: string, signal: AbortSignal): Promise<readonly Member[]> {
    const last = this.#last;
    const headers: HeaderLines = last === undefined ? {} : { 'if-none-match': last.etag };
    const path = `${AGENTS_PATH}?zone=${encodeURIComponent(zone)}`;
    return soon(signal, async (limit) => {
      const reply = await this.#call({ method: 'GET', use: 'read', path, headers }, limit);
      if (reply.status !== 200) reply.body.discard();
      if (reply.status === 304 && last !== undefined) return last.members;
      if (reply.status !== 200) throw this.#refused(reply.status);
      const members = parseMembers(await readText(reply.body, MAX_LIST_BYTES, this.root));
      if (members === undefined) {
        throw new P2PError('UPSTREAM_MISMATCHED', `${this.root} sent no list of agents`);
      }
      const etag = headerValue(reply.headers, 'etag');
      this.#last = etag === undefined ? undefined : { etag, members };
      return members;
    });
  }

  async #call(call: Call, signal: AbortSignal): Promise<Reply> {
    const { path } = call;
    const place = this.#place ?? this.root;
    try {
      const reply = await this.#send(call, place, signal);
      if (reply.status !== 307 || place !== this.root) return reply;
      reply.body.discard();
      this.#place = this.#placeOf(String(reply.headers.location), path);
      return await this.#send(call, this.#place, signal);
    } catch (error) {
      // It may be somewhere else by now.
      this.#place = undefined;
      throw error;
    }
  }

  #send({ path, use, headers, ...request }: Call, place: string, signal: AbortSignal): Promise<Reply> {
    const { http, calls } = this.#parts;
    return calls.send({ url: place, audience: ROOT_AUDIENCE }, use, (proof) =>
      http.request({ ...request, headers: { ...headers, ...proof }, url: place + path }, signal),
    );
  }

  /** What a root put before the path that it was asked for: it may be another host, but not one without TLS. */
  #placeOf(location: string, path: string): string {
    const isTls = this.root.startsWith('https:');
    const url = URL.canParse(location) ? new URL(location) : undefined;
    const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && !isTls);
    if (url === undefined || !isSafe || url.username !== '' || !url.href.endsWith(path)) {
      throw new P2PError('UPSTREAM_MISMATCHED', `${this.root} sends who asks for agents to no place to ask`);
    }
    return url.href.slice(0, -path.length);
  }

  #refused(status: number): P2PError {
    this.#place = undefined;
    return new P2PError('UPSTREAM_FAILED', `${this.root} answered ${status} to ${AGENTS_PATH}`);
  }
}

/** Does what must not take long. */
async function soon<T>(signal: AbortSignal, work: (limit: AbortSignal) => Promise<T>): Promise<T> {
  const limit = new AbortController();
  const stop = () => limit.abort();
  const timer = setTimeout(stop, CALL_MS);
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await work(limit.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

interface Call {
  readonly method: 'GET' | 'POST';
  readonly use: TokenUse;
  readonly path: string;
  readonly headers: HeaderLines;
  readonly body?: string;
}
