import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { PATIENCE_MS } from './until.ts';

/** One end of a connection, byte by byte. */
export interface Wire extends AsyncDisposable {
  readonly socket: Socket;
  /** All that has come so far, a letter a byte. */
  heard(): string;
  say(text: string): void;
  /** Waits until this has come; gives all that has. Fails when the other side closes before that, or in time. */
  hear(pattern: RegExp): Promise<string>;
  /** Waits until the other side has closed; gives all that came. */
  rest(): Promise<string>;
}

/** Takes a connection to be spoken on by hand. */
export function wireOf(socket: Socket): Wire {
  let heard = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    heard += text;
  });
  socket.on('error', () => {});
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const wire: Wire = {
    socket,
    heard: () => heard,
    say: (text) => void socket.write(text, 'latin1'),
    async hear(pattern) {
      while (!pattern.test(heard)) {
        if (socket.destroyed || socket.readableEnded)
          throw new Error(`closed after ${JSON.stringify(heard)}`);
        await Promise.race([once(socket, 'data', { signal }), once(socket, 'close', { signal })]).catch(
          () => {
            throw new Error(`${pattern} did not come: ${JSON.stringify(heard)}`);
          },
        );
      }
      return heard;
    },
    async rest() {
      if (!socket.destroyed && !socket.readableEnded) {
        await Promise.race([once(socket, 'end', { signal }), once(socket, 'close', { signal })]);
      }
      return heard;
    },
    async [Symbol.asyncDispose]() {
      socket.destroy();
    },
  };
  return wire;
}

/** A connection to a port of 127.0.0.1 that has said this. */
export function dial(port: number, text = ''): Wire {
  const wire = wireOf(connect(port, '127.0.0.1'));
  if (text !== '') wire.say(text);
  return wire;
}

/** A server that is spoken by hand. */
export interface WireServer extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Connections taken so far. */
  readonly wires: readonly Wire[];
  /** The next connection, or the one that has come already. */
  accept(): Promise<Wire>;
}

export async function startWire(): Promise<WireServer> {
  const wires: Wire[] = [];
  const server = createServer((socket) => wires.push(wireOf(socket))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  let taken = 0;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    wires,
    async accept() {
      const at = taken++;
      const signal = AbortSignal.timeout(PATIENCE_MS);
      while (wires[at] === undefined) await once(server, 'connection', { signal });
      return wires[at] as Wire;
    },
    async [Symbol.asyncDispose]() {
      for (const { socket } of wires) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
