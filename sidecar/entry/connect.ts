import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { redact } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import type { Logger } from '../../functions/service/log.ts';
import type { OriginAccess } from '../../functions/service/origin-access.ts';
import type { Rules } from '../../functions/service/rules.ts';
import type { Interception } from './intercept.ts';
import { join, KEEP_ALIVE_MS } from './join.ts';

/** What CONNECT takes. */
export interface ConnectParts {
  /** Takes the hosts it wants; without it every connection is tunnelled. */
  readonly interception?: Pick<Interception, 'holds' | 'wants' | 'take'> | undefined;
  readonly access: OriginAccess;
  readonly rules: Rules;
  readonly connectMs: number;
  readonly log: Logger;
}

// A refused client that does not take its answer, or does not hang up after it, is not waited for longer.
const REFUSAL_MS = 2_000;

const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n';

/**
 * Answers CONNECT: what interception wants is its own from then on, and everything else gets a blind tunnel. Inside
 * an intercepted connection, which is to an origin and not to a proxy, it is refused.
 */
export function answerConnect(
  parts: ConnectParts,
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
): void {
  const { interception } = parts;
  // Until there is a tunnel; a client that breaks closes too.
  client.on('error', () => {});
  try {
    if (interception?.holds(client)) {
      throw new P2PError('METHOD_NOT_ALLOWED', 'CONNECT is for proxies, and this connection is to an origin');
    }
    const target = parseTarget(request.url ?? '');
    if (interception?.wants(target.secure)) {
      client.write(ESTABLISHED);
      interception.take(target.secure, client, head, (first) =>
        openTunnel(parts, target, client, first, () => client.destroy()),
      );
    } else {
      openTunnel(parts, target, client, head);
    }
  } catch (error) {
    refuse(client, error);
  }
}

/**
 * A blind tunnel (RFC 9110 §9.3.6): bytes go both ways unread. The address rule is that of pass-through. What will be
 * asked inside cannot be seen, so of the rules only those count that deny `https://host:port/`, or the same with
 * `http`; the port is left out where it is the scheme's own. A client that has its answer already brings what to do
 * `onFailure` instead of another.
 */
function openTunnel(
  { access, rules, connectMs, log }: ConnectParts,
  target: Target,
  client: Duplex,
  head: Buffer,
  onFailure?: () => void,
): void {
  const fail = onFailure ?? ((cause: unknown) => refuse(client, cause));
  let url: URL;
  try {
    url = judge(target, access, rules);
  } catch (error) {
    fail(error);
    return;
  }
  const upstream = connect({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: target.port,
    lookup: access.lookup(url),
    // Each direction ends by itself, when all its bytes have arrived.
    allowHalfOpen: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  });
  upstream.setTimeout(connectMs, () =>
    upstream.destroy(new P2PError('UPSTREAM_TIMEOUT', `no connection to ${target.text}`)),
  );
  const left = () => upstream.destroy();
  client.once('close', left);
  upstream.once('error', fail);
  upstream.once('connect', () => {
    upstream.setTimeout(0).removeAllListeners('timeout').off('error', fail);
    client.off('close', left);
    if (onFailure === undefined) client.write(ESTABLISHED);
    if (head.length > 0) upstream.write(head);
    // Either side may end a tunnel at any time.
    join(client, upstream).catch((cause: unknown) =>
      log.debug({ target: target.text, cause }, 'tunnel_ended'),
    );
  });
}

/** Where CONNECT asks to be connected to. It has no scheme: an entry or rule of either is meant. */
interface Target {
  readonly text: string;
  readonly port: number;
  readonly secure: URL;
  readonly plain: URL;
}

function parseTarget(text: string): Target {
  if (!/^[^\s/\\@?#]+:\d{1,5}$/.test(text) || !URL.canParse(`https://${text}`)) {
    throw new P2PError('ADDRESS_INVALID', `"${redact(text)}" is not host:port`);
  }
  const port = Number(text.split(':').at(-1));
  return { text, port, secure: new URL(`https://${text}`), plain: new URL(`http://${text}`) };
}

/** The URL that opens a tunnel there. */
function judge({ secure, plain }: Target, access: OriginAccess, rules: Rules): URL {
  for (const { href } of [secure, plain]) rules.refuseDenied(href);
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
