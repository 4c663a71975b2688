import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Settings } from '../functions/service/config/settings.ts';

/**
 * The address by which other nodes reach this one: NodeIP, else the address a packet to DetectAddr would leave
 * from. No packet is sent: connecting a UDP socket only looks up the route. Loopback where there is none.
 */
export async function nodeAddress({ NodeIP, DetectAddr, Port }: Settings['P2PConfig']): Promise<string> {
  const ip = NodeIP === '' ? await outboundAddress(DetectAddr) : NodeIP;
  return `http://${ip.includes(':') ? `[${ip}]` : ip}:${Port}`;
}

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
