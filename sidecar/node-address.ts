import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { hostname, networkInterfaces } from 'node:os';
import type { Settings } from '../functions/service/config/settings.ts';
import { selfUrl } from './members/self-url.ts';
import { parseSiblingName } from './members/sibling-names.ts';

/**
 * The address by which other nodes reach this one: NodeIP, else what Siblings calls it, else the address a packet to
 * DetectAddr would leave from. No packet is sent: connecting a UDP socket only looks up the route. Loopback where
 * there is none.
 */
export async function nodeAddress(config: P2PConfig): Promise<string> {
  const { NodeIP, DetectAddr, Port, Siblings, ServeBySSL } = config;
  const scheme = ServeBySSL ? 'https:' : 'http:';
  if (NodeIP !== '') return urlOf(scheme, NodeIP, Port);
  const own = urlOf(scheme, await outboundAddress(DetectAddr), Port);
  const names = Siblings.map((entry) => parseSiblingName(entry, scheme));
  const listed = names.flatMap((name) => (name.kind === 'listed' ? [name.url] : []));
  const interfaces = Object.values(networkInterfaces()).flat();
  return selfUrl(listed, own, {
    hostname: hostname(),
    addresses: interfaces.flatMap((one) => one?.address ?? []),
  });
}

type P2PConfig = Settings['P2PConfig'];

const urlOf = (scheme: 'http:' | 'https:', host: string, port: number): string =>
  new URL(`${scheme}//${host.includes(':') ? `[${host}]` : host}:${port}`).origin;

async function outboundAddress(target: string): Promise<string> {
  const at = target.lastIndexOf(':');
  const host = target.slice(0, at).replace(/^\[|\]$/g, '');
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    socket.connect(Number(target.slice(at + 1)), host);
    await once(socket, 'connect');
    return socket.address().address;
  } catch {
    return '127.0.0.1';
  } finally {
    socket.close();
  }
}
