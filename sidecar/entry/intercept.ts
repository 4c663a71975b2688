import type { Duplex } from 'node:stream';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { P2PError } from '../../functions/protocol/errors.ts';
import { bareHost } from '../../functions/service/host-pattern.ts';
import type { Logger } from '../../functions/service/log.ts';
import type { Authority, Leaf } from '../tls/authority.ts';
import type { InterceptedHosts } from '../tls/intercepted-hosts.ts';
import type { Leaves } from '../tls/leaf.ts';
import type { Terminated } from './terminated.ts';

/** What interception takes. */
export interface InterceptParts {
  readonly hosts: Pick<InterceptedHosts, 'has'>;
  readonly authority: Pick<Authority, 'permits' | 'notAfterMs'>;
  readonly leaves: Pick<Leaves, 'of'>;
  /** Told of each connection whose TLS has ended here. */
  readonly terminated: Terminated;
  /** Reads what is inside a connection whose TLS has ended here. */
  readonly serve: (connection: TLSSocket) => void;
  /** How long a client may take to begin, and again to agree on keys. */
  readonly handshakeMs: number;
  readonly log: Logger;
  readonly now: () => number;
}

// A server takes some 50 KiB, and a client may ask for 65535 ports of each host: of these few are of use.
const MAX_PORTS = 4;

// First byte of a TLS record that opens a handshake (RFC 8446 §5.1).
const HANDSHAKE_RECORD = 0x16;

/** Ends the TLS of clients that asked by CONNECT for hosts whose content is accelerated. */
export class Interception {
  readonly #parts: InterceptParts;
  /** As long as a leaf is shown its servers live: one for each port of the host that was asked for of late. */
  readonly #servers = new WeakMap<Leaf, LRUCache<string, Server>>();

  constructor(parts: InterceptParts) {
    this.#parts = parts;
  }

  /** Whether the TLS of this connection has ended here. */
  holds(connection: Duplex): boolean {
    return this.#parts.terminated.has(connection);
  }

  /** Whether connections to this origin are for `take`. Those that our authority may not certify are not. */
  wants(origin: URL): boolean {
    const { hosts, authority, now } = this.#parts;
    return hosts.has(origin) && authority.permits(bareHost(origin.hostname)) && now() < authority.notAfterMs;
  }

  /**
   * Takes over a client that was told that it is connected. What it says in TLS is served; a client that
   * says anything else, such as plain HTTP or SSH, is given to `tunnel` with its first bytes. One that says nothing,
   * asks by SNI for another host than by CONNECT, or does not agree on TLS in time is let go.
   */
  take(origin: URL, client: Duplex, head: Buffer, tunnel: (head: Buffer) => void): void {
    const begin = (first: Buffer) => {
      if (first[0] !== HANDSHAKE_RECORD) return tunnel(first);
      client.unshift(first);
      // As sockets of a TLS server are: else one that is closed half-way through its handshake would stay.
      client.allowHalfOpen = false;
      this.#serverFor(origin).then(
        (server) => server.emit('connection', client),
        (cause: unknown) => {
          this.#parts.log.error({ host: origin.host, cause }, 'certificate_failed');
          client.destroy();
        },
      );
    };
    if (head.length > 0) begin(head);
    else firstBytes(client, this.#parts.handshakeMs, begin);
  }

  async #serverFor(origin: URL): Promise<Server> {
    const leaf = await this.#parts.leaves.of(bareHost(origin.hostname));
    const servers = this.#servers.get(leaf) ?? new LRUCache<string, Server>({ max: MAX_PORTS });
    this.#servers.set(leaf, servers);
    const server = servers.get(origin.host) ?? this.#createServer(origin, leaf);
    servers.set(origin.host, server);
    return server;
  }

  #createServer(origin: URL, { cert, key }: Leaf): Server {
    const { handshakeMs, log, serve, terminated } = this.#parts;
    const server = createServer({
      cert,
      key,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: handshakeMs,
      SNICallback(name, done) {
        if (name.toLowerCase() === bareHost(origin.hostname)) done(null);
        else done(new P2PError('MISDIRECTED', `SNI ${name} after CONNECT ${origin.host}`));
      },
    });
    server.on('secureConnection', (connection) => {
      terminated.add(connection, origin);
      serve(connection);
    });
    server.on('tlsClientError', (cause, connection) => {
      // A client that does not trust our authority says so; one that only left is nobody's fault.
      const isGone = (cause as NodeJS.ErrnoException).code === 'ECONNRESET';
      log[isGone ? 'debug' : 'info']({ host: origin.host, cause }, 'handshake_failed');
      connection.destroy();
    });
    return server;
  }
}

/** Waits for what a client says first, and leaves it paused; one that ends or says nothing in time is let go. */
function firstBytes(client: Duplex, timeoutMs: number, begin: (first: Buffer) => void): void {
  const leave = () => client.destroy();
  const timer = setTimeout(leave, timeoutMs);
  const close = () => clearTimeout(timer);
  client.once('end', leave).once('close', close);
  client.once('data', (first: Buffer) => {
    clearTimeout(timer);
    client.off('end', leave).off('close', close).pause();
    begin(first);
  });
}
