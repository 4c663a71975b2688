import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import pino from 'pino';
import type { Upstream } from '../../functions/blob/upstream.ts';
import type { Rule } from '../../functions/service/config/settings.ts';
import type { Logger } from '../../functions/service/log.ts';
import { Metrics } from '../../functions/service/metrics.ts';
import { isOfThisHost, NodeGate, type NodeGateParts } from '../../functions/service/node-gate.ts';
import { createP2PApp } from '../../functions/service/p2p-app.ts';
import { Readiness } from '../../functions/service/readiness.ts';
import { Rules } from '../../functions/service/rules.ts';
import type { SendTurns } from '../../functions/service/send-turns.ts';
import { BlobServer } from '../../functions/service/serve-blob.ts';
import { openReader, originUpstream, type ReaderOptions, type TestReader } from './reader.ts';

/** One line of a log. */
export interface Line {
  readonly level: number;
  readonly event: string;
  readonly [field: string]: unknown;
}

/** A log into memory, with every level. */
export function memoryLog(): { readonly log: Logger; readonly lines: Line[] } {
  const lines: Line[] = [];
  const stream = new Writable({
    write(text, _, done) {
      lines.push(JSON.parse(String(text)) as Line);
      done();
    },
  });
  return { log: pino({ level: 'trace', messageKey: 'event' }, stream), lines };
}

/** A server on a free port of 127.0.0.1. */
export interface Listening extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
  /** Without a slash at the end. */
  readonly url: string;
}

export async function listen(listener: RequestListener | Server): Promise<Listening> {
  const server = typeof listener === 'function' ? createServer(listener) : listener;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    server,
    port,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface P2PServer extends Listening {
  readonly kit: TestReader;
  readonly lines: Line[];
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  readonly blobs: BlobServer;
  readonly upstream: Upstream;
  /** This node's name in chains. */
  readonly self: string;
  /** Where it serves what an origin has. */
  of(originUrl: string): string;
}

/** A P2P port in this process, over memory and real origins. */
export async function startP2P(
  options: ReaderOptions & {
    readonly maxReplyBytes?: number;
    readonly turns?: SendTurns;
    readonly self?: string;
    /** Laid over a gate that lets anyone in. */
    readonly gate?: Partial<NodeGateParts>;
    readonly rules?: readonly Rule[];
  } = {},
): Promise<P2PServer> {
  const kit = openReader(options);
  const origins = originUpstream(options.limits);
  const upstream = options.upstream ?? origins.upstream;
  const { log, lines } = memoryLog();
  const metrics = new Metrics();
  const readiness = new Readiness();
  readiness.serve();
  const { maxReplyBytes, self = 'http://self.test:19145' } = options;
  const blobs = new BlobServer({
    reader: kit.reader,
    upstream,
    self,
    metrics,
    now: options.now ?? Date.now,
    turns: options.turns,
    ...(maxReplyBytes === undefined ? {} : { maxReplyBytes }),
  });
  const rules = new Rules(options.rules ?? []);
  const gate = new NodeGate({ audience: 'self.test:19145', isOfThisHost, ...options.gate });
  const app = createP2PApp({ apiKey: 'dadip2p', self, gate, blobs, rules, readiness, metrics, log });
  const server = await listen(app.callback());
  return {
    ...server,
    kit,
    lines,
    metrics,
    readiness,
    blobs,
    upstream,
    self,
    of: (originUrl) => `${server.url}/dadip2p/${originUrl}`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await kit[Symbol.asyncDispose]();
      await origins[Symbol.asyncDispose]();
    },
  };
}
