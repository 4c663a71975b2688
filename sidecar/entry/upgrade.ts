import { type IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { hasBody, pairsOf } from './header-lines.ts';

/**
 * Lets clients of a server leave HTTP (RFC 9110 §7.8), for WebSocket and its like: such a request comes to the same
 * listener as any other, its connection free to be switched. One that asks to go on in another kind of HTTP is
 * answered in this one, for what came next would be under no rule (h2c smuggling); so is one with a body, and one of a
 * client that cannot have meant it.
 */
export function takeUpgrades(server: Server, listener: RequestListener): void {
  const answering = new WeakMap<Duplex, ServerResponse>();
  const watch = ({ socket }: IncomingMessage, response: ServerResponse) => {
    answering.set(socket, response);
    response.once('close', () => {
      if (answering.get(socket) === response) answering.delete(socket);
    });
  };
  server.on('request', watch).on('checkContinue', watch);
  server.on('upgrade', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    // All servers of ours listen on TCP, TLS over it or not.
    const socket = client as Socket;
    socket.unshift(head);
    socket.on('error', ignore);
    const take = () => {
      // The reply before it may have been the connection's last.
      if (!socket.writable) return;
      // That it is idle between two requests is over.
      socket.setTimeout(0);
      if (!mayLeave(request)) {
        socket.off('error', ignore);
        return readAgain(server, request, socket);
      }
      const response = new ServerResponse(request);
      response.shouldKeepAlive = false;
      response.assignSocket(socket);
      response.once('finish', () => leave(socket));
      listener(request, response);
    };
    // A connection carries one reply at a time, and what is pipelined waits for its turn.
    const before = answering.get(socket);
    if (before === undefined) take();
    else before.once('close', take);
  });
}

// What breaks closes too, and that is told.
const ignore = () => {};

// A client that was refused and does not hang up is not waited for longer.
const REFUSAL_MS = 2_000;

/** Ends a connection that was not switched. Unread, what the client has sent would hide that it has left. */
function leave(socket: Socket): void {
  socket.removeAllListeners('readable').resume().end();
  const timer = setTimeout(() => socket.destroy(), REFUSAL_MS);
  socket.once('close', () => clearTimeout(timer));
}

const STILL_HTTP = /^(?:h2c|http|tls)\b/i;

function mayLeave(request: IncomingMessage): boolean {
  const { upgrade = '' } = request.headers;
  const isOne = upgrade !== '' && !upgrade.includes(',');
  return isOne && !STILL_HTTP.test(upgrade) && !hasBody(request) && request.httpVersion === '1.1';
}

const OF_UPGRADE: ReadonlySet<string> = new Set(['upgrade', 'http2-settings']);

/** Has the server read a request again, as if it had not asked to leave HTTP. */
function readAgain(
  server: Server,
  { method, url, httpVersion, rawHeaders }: IncomingMessage,
  socket: Socket,
): void {
  const lines = pairsOf(rawHeaders)
    .filter(([name]) => !OF_UPGRADE.has(name.toLowerCase()))
    .map(([name, value]) =>
      name.toLowerCase() === 'connection' ? [name, withoutUpgrade(value)] : [name, value],
    )
    .map(([name, value]) => `${name}: ${value}\r\n`);
  socket.unshift(Buffer.from(`${method} ${url} HTTP/${httpVersion}\r\n${lines.join('')}\r\n`, 'latin1'));
  server.emit('connection', socket);
}

const withoutUpgrade = (connection: string): string =>
  connection
    .split(',')
    .filter((option) => !OF_UPGRADE.has(option.trim().toLowerCase()))
    .join(',');

/**
 * Closes a connection that nobody reads from once its client has ended it, until that is to be forgotten. What the
 * client has sent stays unread.
 */
export function endOf(socket: Socket): { forget(): void } {
  const look = () => {
    if (socket.readableLength === 0) socket.read();
  };
  const leave = () => socket.destroy();
  socket.on('readable', look).once('end', leave);
  return { forget: () => void socket.off('readable', look).off('end', leave) };
}
