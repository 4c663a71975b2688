import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { open, truncate, writeFile } from 'node:fs/promises';
import { request, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MiB } from '../../../functions/blob/chunk.ts';
import { FilePiece } from '../../../functions/blob/file-piece.ts';
import { Outlet } from '../../../functions/service/outlet.ts';
import type { Senders } from '../../../sidecar/sendfile/senders.ts';
import { listen } from '../../support/app.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { gate } from '../../support/gate.ts';
import { rejects } from '../../support/rejects.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

// Its threads start from what is built alone: npm run build.
const BUILT = new URL('../../../dist/sidecar/sendfile/senders.js', import.meta.url).href;
const built = (await import(BUILT)) as { readonly Senders: typeof Senders };

const test = suite('sidecar/sendfile/senders');

// More than the buffers of both sides of a connection take.
const SIZE = 24 * MiB;
const BYTES = blobOf(SIZE, 'senders');

/** A file, threads that send it, and a server that does with `serve`. */
async function stage(serve: (response: ServerResponse, kit: Kit) => Promise<unknown>) {
  const senders = built.Senders.open(2);
  if (senders === undefined) throw new Error('koffi is not installed, or this is not Linux: npm install');
  const dir = await tempDir();
  const path = join(dir.path, 'chunk');
  await writeFile(path, BYTES);
  const handle = await open(path);
  const kit: Kit = { senders, file: handle.fd, path };
  const outcomes: unknown[] = [];
  const server = await listen((_, response) => {
    response.writeHead(200, { 'content-length': SIZE });
    const end = (outcome: unknown) => {
      outcomes.push(outcome);
      return outcome === SIZE ? response.end() : response.destroy();
    };
    serve(response, kit).then(end, end);
  });
  return {
    ...kit,
    server,
    outcomes,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await senders.close();
      await handle.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}

interface Kit {
  readonly senders: Senders;
  readonly file: number;
  readonly path: string;
}

async function sendAll(response: ServerResponse, { senders, file }: Kit): Promise<number> {
  const piece = new FilePiece([{ file, offset: 0, length: SIZE }]);
  await new Outlet(response).sendFile(piece, senders);
  return piece.sent;
}

function bodyOf(port: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1' }, (reply) => {
      const pieces: Buffer[] = [];
      reply.on('data', (piece) => pieces.push(piece));
      reply.on('end', () => resolve(Buffer.concat(pieces)));
      reply.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}

test('sends the bytes of a file, to many clients at once', async () => {
  await using kit = await stage(sendAll);
  const bodies = await Promise.all(Array.from({ length: 5 }, () => bodyOf(kit.server.port)));
  for (const body of bodies) assert.is(sha256(body), sha256(BYTES));
  // A client has the last byte before the server hears that it was taken.
  await until('all to be told', () => kit.outcomes.length === 5);
  assert.equal(kit.outcomes, Array(5).fill(SIZE));
});

test('sends parts from any place, each behind what was written before it', async () => {
  await using kit = await stage(async (response, { senders, file }) => {
    const outlet = new Outlet(response);
    const cut = 3 * MiB + 12_345;
    await outlet.send(BYTES.subarray(0, cut));
    const piece = new FilePiece([{ file, offset: cut, length: 2 * MiB }]);
    await outlet.sendFile(piece, senders);
    await outlet.send(BYTES.subarray(cut + piece.sent));
    return SIZE;
  });
  assert.is(sha256(await bodyOf(kit.server.port)), sha256(BYTES));
});

test('sends several files in their order, and says how much when one of them is shorter than it was', async () => {
  const halves = (file: number) => [
    { file, offset: SIZE / 2, length: SIZE / 2 },
    { file, offset: 0, length: SIZE / 2 },
  ];
  await using kit = await stage(async (response, { senders, file }) => {
    const piece = new FilePiece(halves(file));
    await new Outlet(response).sendFile(piece, senders);
    return piece.sent;
  });
  const swapped = Buffer.concat([BYTES.subarray(SIZE / 2), BYTES.subarray(0, SIZE / 2)]);
  assert.is(sha256(await bodyOf(kit.server.port)), sha256(swapped));
  await using short = await stage(async (response, { senders, file, path }) => {
    await truncate(path, MiB);
    const piece = new FilePiece([...halves(file).slice(1), ...halves(file).slice(0, 1)]);
    await new Outlet(response).sendFile(piece, senders);
    return piece.sent;
  });
  assert.is(await bodyOf(short.server.port).catch(({ code }) => code), 'ECONNRESET');
  assert.equal(short.outcomes, [MiB]);
});

test('waits for a client that does not read, and goes on when it does', async () => {
  await using kit = await stage(sendAll);
  const socket = connect(kit.server.port, '127.0.0.1');
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  // While it waits, others are served.
  assert.is(sha256(await bodyOf(kit.server.port)), sha256(BYTES));
  const reply = Buffer.concat(await socket.toArray());
  assert.is(sha256(reply.subarray(-SIZE)), sha256(BYTES));
});

test('stops when the client leaves, and is done with the file then', async () => {
  await using kit = await stage(sendAll);
  const socket = connect(kit.server.port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  socket.once('readable', () => socket.destroy());
  await until('the transfer to end', () => kit.outcomes.length === 1);
  await rejects('CLIENT_GONE', Promise.reject(kit.outcomes[0]));
});

test('says how much it has sent of a file that turns out to be shorter', async () => {
  await using kit = await stage(async (response, { senders, file, path }) => {
    await truncate(path, MiB);
    const piece = new FilePiece([{ file, offset: 0, length: SIZE }]);
    const outlet = new Outlet(response);
    await outlet.sendFile(piece, senders);
    assert.is(piece.sent, MiB);
    await outlet.send(BYTES.subarray(piece.sent));
    return SIZE;
  });
  assert.is(sha256(await bodyOf(kit.server.port)), sha256(BYTES));
});

test('leaves to others what TLS encrypts, and a reply that waits behind another', async () => {
  await using kit = await stage(sendAll);
  assert.not(kit.senders.canSend({ encrypted: true, destroyed: false, _handle: { fd: 1 } } as never));
  const held = gate();
  const sent: number[] = [];
  await using server = await listen(async (incoming, response) => {
    if (incoming.url === '/first') await held.opened;
    else sent.push(await sendAll(response.writeHead(200, { 'content-length': SIZE }), kit));
    response.end(incoming.url === '/first' ? 'first' : BYTES);
  });
  const socket = connect(server.port, '127.0.0.1');
  const both = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  socket.write(both('/first') + both('/second'));
  await until('the second to be asked', () => sent.length === 1);
  held.open();
  assert.equal(sent, [0]);
  socket.destroy();
});

test('breaks off what it sends when it is closed', async () => {
  await using kit = await stage(sendAll);
  const socket = connect(kit.server.port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'readable');
  await kit.senders.close();
  await until('the transfer to end', () => kit.outcomes.length === 1);
  assert.ok(kit.outcomes[0] !== SIZE);
  socket.destroy();
});

test('does not keep a process from ending, by itself or by exit', async () => {
  for (const end of ['', 'process.exit(0);']) {
    const script = `
      import { open } from 'node:fs/promises';
      import { createServer } from 'node:net';
      import { connect } from 'node:net';
      import { Senders } from '${BUILT}';
      const senders = Senders.open(2);
      const handle = await open('./package.json');
      const server = createServer(async (socket) => {
        await senders.send(socket, [{ file: handle.fd, offset: 0, length: 10 }], new AbortController().signal);
        socket.end();
      }).listen(0, '127.0.0.1', () => {
        const client = connect(server.address().port, '127.0.0.1');
        client.on('data', (bytes) => console.log(bytes.length));
        client.on('close', async () => { await handle.close(); server.close(); ${end} });
      });`;
    const printed = await new Promise<string>((resolve, reject) => {
      const args = ['--input-type=module', '--eval', script];
      execFile(process.execPath, args, { timeout: 60_000 }, (error, stdout) =>
        error ? reject(error) : resolve(stdout),
      );
    });
    assert.is(printed.trim(), '10');
  }
});

test.run();
