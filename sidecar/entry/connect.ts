import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { P2PError } from '../../functions/protocol/errors.ts';
import type { Logger } from '../../functions/service/log.ts';
import type { OriginAccess } from '../../functions/service/origin-access.ts';

/** What tunnels take. */
export interface ConnectParts {
  readonly access: OriginAccess;
  readonly connectMs: number;
  readonly log: Logger;
}

/**
 * Answers CONNECT with a blind tunnel (RFC 9110 §9.3.6): bytes go both ways unread. The address rule is that of
 * pass-through.
 */
export function openTunnel(
  { access, connectMs, log }: ConnectParts,
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
) {
  const target = request.url ?? '';
  const url =
    /^[^/@?#]+:\d{1,5}$/.test(target) && URL.canParse(`http://${target}`)
      ? new URL(`http://${target}`)
      : undefined;
  client.on('error', () => {});
  try {
    if (url === undefined) throw new P2PError('ADDRESS_INVALID', `"${target}" is not host:port`);
    access.checkAddress(url);
  } catch (error) {
    return refuse(client, error);
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const upstream = connect({ host, port: Number(target.split(':').at(-1)), lookup: access.lookup });
  upstream.setTimeout(connectMs, () =>
    upstream.destroy(new P2PError('UPSTREAM_TIMEOUT', `no connection to ${target}`)),
  );
  upstream.once('error', (cause) => refuse(client, cause));
  upstream.once('connect', () => {
    upstream.setTimeout(0);
    upstream.removeAllListeners('error');
    client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    if (head.length > 0) upstream.write(head);
    Promise.all([pipeline(client, upstream), pipeline(upstream, client)]).catch((cause: unknown) => {
      // Either side may end a tunnel at any time.
      log.debug({ target, cause }, 'tunnel_ended');
    });
  });
}

function refuse(client: Duplex, cause: unknown): void {
  const error =
    cause instanceof P2PError ? cause : new P2PError('UPSTREAM_UNREACHABLE', String(cause), { cause });
  const body = `${error.code}: ${error.message}\n`;
  client.end(
    `HTTP/1.1 ${error.status} Refused\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
