import { createServer, type RequestListener, type Server } from 'node:http';
import { KiB } from '../functions/blob/chunk.ts';
import { takeUpgrades } from './entry/upgrade.ts';

/** Most bytes of a head, request or reply: 64 KiB of headers, and some for what else is in it. */
export const MAX_HEAD_BYTES = 72 * KiB;

// Longer than the 60 s after which common load balancers and clients drop an idle connection, so that it is
// they who close it and no request meets a closed one.
const KEEP_ALIVE_MS = 75_000;
// Of the time that a head may take, what may pass before a client is seen to have overrun it.
const CHECKS_A_HEAD = 4;

/** A server whose clients have `headMs` for the head of a request. */
export function createHttpServer(listener: RequestListener, headMs: number): Server {
  return createServer(
    {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: headMs,
      connectionsCheckingInterval: Math.ceil(headMs / CHECKS_A_HEAD),
      // A body may take as long as it takes: a slow link is no attack.
      requestTimeout: 0,
      maxHeaderSize: MAX_HEAD_BYTES,
    },
    listener,
  );
}

/** A server for a proxy: whether a body is wanted, and what comes after HTTP, is for the origin to say. */
export function createProxyServer(listener: RequestListener, headMs: number): Server {
  const server = createHttpServer(listener, headMs);
  server.on('checkContinue', listener);
  takeUpgrades(server, listener);
  return server;
}
