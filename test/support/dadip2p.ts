import { type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { listen } from './app.ts';
import { PATIENCE_MS } from './until.ts';

/** How a DadiP2P (Go) node is set up. */
export interface DadiP2POptions {
  /** `http://host:port` each; none for a root that reads origins. */
  readonly roots?: readonly string[];
}

/** One request as it came in. */
export interface DadiP2PHit {
  readonly method: string;
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  /** X-P2P-Agent as it came, a line each. */
  readonly agents: readonly string[];
  status: number;
}

/** A node that speaks as DadiP2P 0.1 does on its P2P port. */
export interface DadiP2P extends AsyncDisposable {
  /** What it calls itself: `http://127.0.0.1:port`. */
  readonly url: string;
  readonly hits: readonly DadiP2PHit[];
  /** Where it serves what an origin has. */
  of(originUrl: string): string;
}

const API_KEY = 'dadip2p';
const BLOCK_BYTES = 1024 * 1024;
const MAX_CHILDREN = 2;
const MAX_REDIRECTS = 10;

/** A reply, read to its end. */
interface Whole {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

/** Headers as Go has them: a list of lines for each name. */
type Lines = Record<string, string[]>;

/**
 * Starts a stand-in for a node of DadiP2P, root or agent: what it sends and answers, with its habits. It takes any name
 * in X-P2P-Agent for a child and sends others there, asks the origin itself for the size, adds a line to X-P2P-Agent for
 * each hop, hands on every header that it got, goes on with whoever X-P2P-Source names, and dates all it serves "now".
 */
export async function startDadiP2P({ roots = [] }: DadiP2POptions = {}): Promise<DadiP2P> {
  const hits: DadiP2PHit[] = [];
  const children = new Map<string, string[]>();
  const sources = new Map<string, string>();
  const sizes = new Map<string, number>();
  const blocks = new Map<string, Buffer>();
  const server = await listen((asked, response) => {
    void serve(asked, response).catch(() => response.destroy());
  });
  const self = server.url;

  async function serve(asked: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '', method = '', headers } = asked;
    const agents = linesOf(asked)['x-p2p-agent'] ?? [];
    const hit: DadiP2PHit = { method, target: url, headers, agents, status: 0 };
    hits.push(hit);
    const [path = '', query = ''] = url.split(/\?(.*)/s);
    const file = path.slice(API_KEY.length + 2);
    // It writes the question mark whether there is a query or not.
    const origin = `${file}?${query}`;
    const child = agents[0]?.split(' ').at(-1) ?? '';
    const elsewhere = child === '' ? undefined : refer(file, child);
    if (elsewhere !== undefined) {
      hit.status = 307;
      response.writeHead(307, { location: `${elsewhere}/${API_KEY}/${origin}` }).end();
      return;
    }
    const lines = linesOf(asked);
    const own: Lines = { ...lines, 'x-p2p-agent': [...agents, self] };
    try {
      const size = sizes.get(file) ?? (await sizeOf(origin, own));
      sizes.set(file, size);
      hit.status = await content(asked, response, size, (start) => block(file, origin, start, size, own));
    } catch (failure) {
      if (!isWhole(failure)) throw failure;
      hit.status = failure.status;
      const { 'transfer-encoding': _, ...said } = failure.headers;
      response.writeHead(failure.status, said).end(failure.bytes);
    }
  }

  function refer(file: string, child: string): string | undefined {
    const known = children.get(file) ?? [];
    children.set(file, known);
    if (known.includes(child)) return undefined;
    if (known.length < MAX_CHILDREN) {
      known.push(child);
      return undefined;
    }
    return known[hits.length % known.length];
  }

  async function sizeOf(origin: string, { 'x-p2p-agent': _, ...lines }: Lines): Promise<number> {
    const reply = await follow(origin, { ...lines, range: ['bytes=0-0'] });
    if (reply.status !== 200 && reply.status !== 206) throw reply;
    if (reply.status === 200) return Number(reply.headers['content-length']);
    return Number(reply.headers['content-range']?.split('/').at(-1));
  }

  async function block(
    file: string,
    origin: string,
    at: number,
    size: number,
    lines: Lines,
  ): Promise<Buffer> {
    const start = at - (at % BLOCK_BYTES);
    const name = `${file} ${start}`;
    const kept = blocks.get(name);
    if (kept !== undefined) return kept.subarray(at - start);
    const end = Math.min(size, start + BLOCK_BYTES);
    const upper = sources.get(file) ?? roots[hits.length % Math.max(1, roots.length)];
    const url = upper === undefined ? origin : `${upper}/${API_KEY}/${origin}`;
    const reply = await follow(url, { ...lines, range: [`bytes=${start}-${end - 1}`] });
    if ((reply.status !== 200 && reply.status !== 206) || reply.bytes.length < end - start) {
      sources.delete(file);
      throw reply;
    }
    const source = reply.headers['x-p2p-source'];
    if (typeof source === 'string') sources.set(file, source);
    const bytes = reply.bytes.subarray(0, end - start);
    blocks.set(name, bytes);
    return bytes.subarray(at - start);
  }

  const writeHead = (response: ServerResponse, status: number, length: number, range?: string): number => {
    response.writeHead(status, {
      'accept-ranges': 'bytes',
      'content-type': 'application/octet-stream',
      'content-length': length,
      'last-modified': new Date().toUTCString(),
      'x-p2p-source': self,
      ...(range === undefined ? {} : { 'content-range': range }),
    });
    return status;
  };

  /** As Go's http.ServeContent does for one range. */
  async function content(
    { headers, method }: IncomingMessage,
    response: ServerResponse,
    size: number,
    from: (at: number) => Promise<Buffer>,
  ): Promise<number> {
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
    const start = Number(first ?? 0);
    const end = Math.min(size, last === undefined || last === '' ? size : Number(last) + 1);
    if (first !== undefined && start >= size) {
      writeHead(response, 416, 0, `bytes */${size}`);
      response.end();
      return 416;
    }
    // Its first byte is read before the head is written.
    let piece = method === 'HEAD' ? undefined : await from(start);
    const range = first === undefined ? undefined : `bytes ${start}-${end - 1}/${size}`;
    const status = writeHead(response, range === undefined ? 200 : 206, end - start, range);
    for (let at = start; piece !== undefined && at < end; ) {
      response.write(piece.subarray(0, end - at));
      at += piece.length;
      piece = at < end ? await from(at) : undefined;
    }
    response.end();
    return status;
  }

  return {
    url: self,
    hits,
    of: (originUrl) => `${self}/${API_KEY}/${originUrl}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function linesOf({ rawHeaders }: IncomingMessage): Lines {
  const lines: Lines = {};
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    if (name === 'host' || name === 'connection') continue;
    lines[name] = [...(lines[name] ?? []), rawHeaders[at + 1] as string];
  }
  return lines;
}

/** As Go's http.Client follows redirects: headers go along, but for credentials where the host is another. */
async function follow(url: string, lines: Lines, redirects = 0): Promise<Whole> {
  const reply = await get(url, lines);
  const { location } = reply.headers;
  if (![301, 302, 303, 307, 308].includes(reply.status) || location === undefined) return reply;
  if (redirects === MAX_REDIRECTS) throw new Error('stopped after 10 redirects');
  const next = new URL(location, url);
  const { authorization: _, cookie: __, ...others } = lines;
  const isSame = next.hostname === new URL(url).hostname;
  return follow(next.href, isSame ? lines : others, redirects + 1);
}

function get(url: string, lines: Lines): Promise<Whole> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    // As it is written: a question mark at its end stays.
    const path = url.slice(url.indexOf('/', 'https://'.length));
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const sent = request({ hostname, port, path, headers: lines, agent: false, signal }, (reply) => {
      const pieces: Buffer[] = [];
      reply.on('data', (piece: Buffer) => pieces.push(piece)).on('error', reject);
      reply.on('end', () =>
        resolve({
          status: reply.statusCode ?? 0,
          headers: reply.headers,
          bytes: Buffer.concat(pieces),
        }),
      );
    });
    sent.on('error', reject).end();
  });
}

const isWhole = (failure: unknown): failure is Whole =>
  typeof failure === 'object' && failure !== null && 'bytes' in failure;
