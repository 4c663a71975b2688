import { lookup } from 'node:dns/promises';
import * as net from 'node:net';
import { getSystemErrorName } from 'node:util';
import { hasCode, P2PError } from '../functions/protocol/errors.ts';
import type { Listener } from './listeners.ts';

/** A port that is taken but not read from: the process that is given `fd` accepts its connections. */
export interface BoundSocket {
  readonly fd: number;
  readonly port: number;
  /** Gives the port up; processes that were given it keep it until they close it too. */
  close(): void;
}

interface TcpHandle {
  readonly fd: number;
  getsockname(out: { port?: number }): number;
  close(): void;
}

// What `cluster` makes its shared sockets with. A net.Server will not do: it accepts as soon as it listens,
// and would take connections away from the worker.
const { _createServerHandle: createHandle } = net as unknown as {
  _createServerHandle(address: string, port: number, family: number): TcpHandle | number;
};

const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'another program listens there; stop it, or choose another port'],
  ['EACCES', 'this user may not; choose a port above 1023'],
  ['EADDRNOTAVAIL', 'this machine has no such address'],
]);

/** @throws P2PError CONFIG_INVALID naming address, port and setting when the port cannot be had. */
export async function bindSocket(listener: Listener): Promise<BoundSocket> {
  const { address, family } = await lookup(listener.host).catch(() => {
    throw cannotListen(listener, 'EADDRNOTAVAIL');
  });
  const handle = createHandle(address, listener.port, family);
  if (typeof handle === 'number') throw cannotListen(listener, getSystemErrorName(handle));
  const name: { port?: number } = {};
  // Binding to a port in use is told only now.
  const failure = handle.getsockname(name);
  if (failure !== 0) {
    handle.close();
    throw cannotListen(listener, getSystemErrorName(failure));
  }
  return { fd: handle.fd, port: name.port ?? listener.port, close: () => handle.close() };
}

/** The error for a port that could not be had, told with the setting to change. */
export function cannotListen({ host, port, setting }: Listener, code: string): P2PError {
  const reason = REMEDIES.get(code);
  const why = reason === undefined ? code : `${reason} (${code})`;
  return new P2PError('CONFIG_INVALID', `${saysOf(setting)} ${host} port ${port}: ${why}`);
}

/** Whether an error is that of the port of this setting. */
export const isListenFault = (error: unknown, setting: Listener['setting']): boolean =>
  hasCode(error, 'CONFIG_INVALID') && (error as Error).message.includes(saysOf(setting));

const saysOf = (setting: Listener['setting']): string => `${setting}: cannot listen on`;
