import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { KiB } from '../functions/blob/chunk.ts';
import { isOfThisHost } from '../functions/service/node-gate.ts';
import { takeUpgrades } from './entry/upgrade.ts';
import type { NodeTls } from './tls/node-tls.ts';

/** Most bytes of a head, request or reply: 64 KiB of headers, and some for what else is in it. */
export const MAX_HEAD_BYTES = 72 * KiB;

// Longer than the 60 s after which common load balancers and clients drop an idle connection, so that it is
// they who close it and no request meets a closed one.
const KEEP_ALIVE_MS = 75_000;
// Of the time that a head may take, what may pass before a client is seen to have overrun it.
const CHECKS_A_HEAD = 4;
// As long as OpenSSL's own clients wait.
const HANDSHAKE_MS = 10_000;

/** A server whose clients have `headMs` for the head of a request. */
export const createHttpServer = (listener: RequestListener, headMs: number): Server =>
  withAllLines(createServer(optionsOf(headMs), listener));

/**
 * The same over TLS, where there is any. Where certificates are asked for, whoever comes from elsewhere without one is
 * hung up on.
 */
export function createP2PServer(
  listener: RequestListener,
  headMs: number,
  nodeTls: NodeTls | undefined,
  isHere = isOfThisHost,
): Server {
  if (nodeTls === undefined) return createHttpServer(listener, headMs);
  const { cert, key, ca, verifyClients } = nodeTls;
  const tls = { cert, key, ca, requestCert: verifyClients, rejectUnauthorized: false };
  const server = withAllLines(
    createTlsServer({ ...optionsOf(headMs), ...tls, handshakeTimeout: HANDSHAKE_MS }, listener),
  );
  if (verifyClients) {
    server.on('secureConnection', (socket) => {
      // Node calls a resumed session authorized, even one without a certificate.
      const isProven = socket.authorized && socket.getPeerX509Certificate() !== undefined;
      if (!isProven && !isHere(socket)) socket.destroy();
    });
  }
  return server;
}

/**
 * The server with no bound on the lines of a head but its bytes. Node leaves out what is beyond the first thousand, and
 * a sender could push out what a proxy has put behind its own lines: for whom it asks, or a second Host.
 */
function withAllLines<S extends Server>(server: S): S {
  server.maxHeadersCount = 0;
  return server;
}

const optionsOf = (headMs: number): ServerOptions => ({
  keepAliveTimeout: KEEP_ALIVE_MS,
  headersTimeout: headMs,
  connectionsCheckingInterval: Math.ceil(headMs / CHECKS_A_HEAD),
  // A body may take as long as it takes: a slow link is no attack.
  requestTimeout: 0,
  maxHeaderSize: MAX_HEAD_BYTES,
});

/** A server for a proxy: whether a body is wanted, and what comes after HTTP, is for the origin to say. */
export function createProxyServer(listener: RequestListener, headMs: number): Server {
  const server = createHttpServer(listener, headMs);
  server.on('checkContinue', listener);
  takeUpgrades(server, listener);
  return server;
}
