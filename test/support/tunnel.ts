import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { PATIENCE_MS } from './until.ts';

/**
 * A connection of which the proxy at `port` has said that it leads to `target`, `host:port`.
 *
 * @throws Error with the head of any other answer.
 */
export async function openTunnel(port: number, target: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error(`nothing came from ${target}`)));
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  // What comes next is for whoever speaks inside.
  socket.pause();
  if (head.toString().startsWith('HTTP/1.1 200 ')) return socket;
  socket.destroy();
  throw new Error(head.toString());
}

/** TLS inside such a connection; the name it asks for by SNI is that of the target unless told otherwise. */
export async function openTls(port: number, target: string, options: ConnectionOptions): Promise<TLSSocket> {
  const tunnel = await openTunnel(port, target);
  const host = target.replace(/:\d+$/, '');
  // Addresses are no names: SNI has none of them (RFC 6066 §3).
  const secured = connectTls({ socket: tunnel, host, servername: isIP(host) === 0 ? host : '', ...options });
  secured.once('close', () => tunnel.destroy());
  await once(secured, 'secureConnect', { signal: AbortSignal.timeout(PATIENCE_MS) });
  return secured;
}
