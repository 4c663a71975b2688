import type { IncomingMessage } from 'node:http';
import { connect, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { redact } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import type { Logger } from '../../functions/service/log.ts';
import type { OriginAccess } from '../../functions/service/origin-access.ts';
import type { Rules } from '../../functions/service/rules.ts';

/** What tunnels take. */
export interface ConnectParts {
  readonly access: OriginAccess;
  readonly rules: Rules;
  readonly connectMs: number;
  readonly log: Logger;
}

// A side that is cut off without a word would hold its tunnel for ever: after this long without traffic the kernel
// asks whether it is still there.
const KEEP_ALIVE_MS = 60_000;
// Once one side has said that it is done nothing may tell of its end any more: the other has this long to say more.
const HALF_CLOSED_MS = 10 * 60_000;
// A refused client that does not take its answer, or does not hang up after it, is not waited for longer.
const REFUSAL_MS = 2_000;

/**
 * Answers CONNECT with a blind tunnel (RFC 9110 §9.3.6): bytes go both ways unread. The address rule is that of
 * pass-through. What will be asked inside cannot be seen, so of the rules only those count that deny
 * `https://host:port/`, or the same with `http`; the port is left out where it is the scheme's own.
 */
export function openTunnel(
  { access, rules, connectMs, log }: ConnectParts,
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
) {
  const target = request.url ?? '';
  // Until there is a tunnel; a client that breaks closes too.
  client.on('error', () => {});
  let url: URL;
  try {
    url = judge(target, access, rules);
  } catch (error) {
    return refuse(client, error);
  }
  const upstream = connect({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(target.split(':').at(-1)),
    lookup: access.lookup(url),
    // Each direction ends by itself, when all its bytes have arrived.
    allowHalfOpen: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  });
  upstream.setTimeout(connectMs, () =>
    upstream.destroy(new P2PError('UPSTREAM_TIMEOUT', `no connection to ${target}`)),
  );
  const refused = (cause: unknown) => refuse(client, cause);
  const left = () => upstream.destroy();
  client.once('close', left);
  upstream.once('error', refused);
  upstream.once('connect', () => {
    upstream.setTimeout(0).removeAllListeners('timeout').off('error', refused);
    client.off('close', left);
    client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    if (head.length > 0) upstream.write(head);
    // Either side may end a tunnel at any time.
    join(client, upstream).catch((cause: unknown) => log.debug({ target, cause }, 'tunnel_ended'));
  });
}

/** Lets bytes flow both ways until both sides have ended, or one has broken. */
async function join(client: Duplex, upstream: Socket): Promise<void> {
  if (client instanceof Socket) client.setKeepAlive(true, KEEP_ALIVE_MS);
  for (const [side, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    // What breaks on one side must not look like a proper end on the other.
    side.once('error', () => (other instanceof Socket ? other.resetAndDestroy() : other.destroy()));
    side.once('end', () => {
      if (other instanceof Socket) other.setTimeout(HALF_CLOSED_MS, () => other.destroy());
    });
  }
  await Promise.all([pipeline(client, upstream), pipeline(upstream, client)]);
}

/** Where a tunnel may lead: the target as the URL that opens it. */
function judge(target: string, access: OriginAccess, rules: Rules): URL {
  if (!/^[^\s/\\@?#]+:\d{1,5}$/.test(target) || !URL.canParse(`https://${target}`)) {
    throw new P2PError('ADDRESS_INVALID', `"${redact(target)}" is not host:port`);
  }
  const secure = new URL(`https://${target}`);
  const plain = new URL(`http://${target}`);
  for (const { href } of [secure, plain]) rules.refuseDenied(href);
  // A tunnel has no scheme: an entry of either opens it.
  const url = access.opens(plain) ? plain : secure;
  access.checkAddress(url);
  return url;
}

function refuse(client: Duplex, cause: unknown): void {
  const error =
    cause instanceof P2PError ? cause : new P2PError('UPSTREAM_UNREACHABLE', String(cause), { cause });
  const body = `${error.code}: ${error.message}\n`;
  client.end(
    `HTTP/1.1 ${error.status} Refused\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  // Unread, what the client has sent meanwhile would hide that it has left.
  client.resume();
  const timer = setTimeout(() => client.destroy(), REFUSAL_MS);
  client.once('close', () => clearTimeout(timer));
}
