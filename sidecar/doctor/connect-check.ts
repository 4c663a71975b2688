import { request } from 'node:http';
import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import type { Wiring } from '../setup/wiring.ts';
import { type Check, failed, ok, skipped } from './check.ts';
import { PROXY_PORT } from './node-checks.ts';

/** That a host that is intercepted answers through the proxy with a certificate of the authority. */
export const connectCheck = ({ agent, interception }: Wiring): Check => ({
  name: 'HTTPS through the proxy',
  needs: [PROXY_PORT],
  async run(signal) {
    const [first] = interception?.hosts ?? [];
    if (interception === undefined || first === undefined) return skipped('no single host is intercepted');
    const { hostname, port } = new URL(`https://${first}`);
    const target = `${hostname}:${port || 443}`;
    try {
      const tunnel = await openTunnel(agent, target, signal);
      const fault = await handshake(tunnel, hostname, interception.authority, signal);
      if (fault === undefined) return ok(`${target} answers with a certificate of the authority`);
      return failed(
        `${target} answers with a certificate that is not of the authority in CertConfig (${fault})`,
        'restart the agent, which may run with other settings or another authority than these',
      );
    } catch (error) {
      return failed(
        `CONNECT ${target} through ${agent} fails: ${(error as Error).message}`,
        'check that the agent reaches that host, and that Origins and Rules let it',
      );
    }
  },
});

function openTunnel(agent: string, target: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(agent);
    const host = hostname.replace(/^\[|\]$/g, '');
    const asked = request({ host, port, method: 'CONNECT', path: target, signal });
    asked.once('connect', ({ statusCode }, socket: Socket) => {
      if (statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(new Error(`status ${statusCode}`));
    });
    asked.once('response', ({ statusCode }) => {
      asked.destroy();
      reject(new Error(`status ${statusCode}`));
    });
    asked.once('error', reject);
    asked.end();
  });
}

/** Why the certificate is not taken; `undefined` when it is. */
function handshake(
  socket: Socket,
  host: string,
  ca: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const secure: TLSSocket = connect({ socket, servername: host, ca, rejectUnauthorized: false }, () => {
      resolve(secure.authorized ? undefined : String(secure.authorizationError));
      secure.destroy();
    });
    secure.once('error', reject);
    signal.addEventListener('abort', () => secure.destroy(signal.reason as Error), { once: true });
  });
}
