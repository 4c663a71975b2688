import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MiB } from '../../../functions/blob/chunk.ts';
import type { Reply } from '../../../functions/blob/upstream.ts';
import { P2PError } from '../../../functions/protocol/errors.ts';
import { HttpClient, type HttpClientOptions } from '../../../functions/service/http-client.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { gate } from '../../support/gate.ts';
import { startOrigin } from '../../support/origin.ts';
import { rejects } from '../../support/rejects.ts';
import { until } from '../../support/until.ts';

const test = suite('functions/service/http-client');

const NEVER = new AbortController().signal;

interface TestClient extends AsyncDisposable {
  get(url: string, signal?: AbortSignal): Promise<Reply>;
  readonly client: HttpClient;
}

function openClient(options: Partial<HttpClientOptions> = {}): TestClient {
  const client = new HttpClient({
    connectMs: 2_000,
    firstByteMs: 5_000,
    idleMs: 5_000,
    connections: 8,
    ...options,
  });
  return {
    client,
    get: (url, signal = NEVER) => client.request({ url, method: 'GET', headers: {} }, signal),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function bytesOf({ body }: Reply): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await body.read((piece) => {
    pieces.push(Buffer.from(piece));
  });
  return Buffer.concat(pieces);
}

/** A server that says what the test says, byte by byte. */
async function startRaw(talk: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    talk(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

for (const size of [0, 1, 70_000, 5 * MiB]) {
  test(`hands over a body of ${size} bytes as it is`, async () => {
    await using origin = await startOrigin();
    await using http = openClient();
    const bytes = blobOf(size, 'body');
    const reply = await http.get(origin.put('/blob', bytes));
    assert.is(reply.status, 200);
    assert.is(reply.headers['content-length'], String(size));
    assert.is(sha256(await bytesOf(reply)), sha256(bytes));
  });
}

test('hands over a body that a slow sink takes piece by piece, in order and whole', async () => {
  await using origin = await startOrigin();
  await using http = openClient();
  const bytes = blobOf(3 * MiB, 'slow sink');
  const { body } = await http.get(origin.put('/blob', bytes));
  const pieces: Buffer[] = [];
  let busy = false;
  await body.read(async (piece) => {
    assert.not(busy, 'two pieces at once');
    busy = true;
    const copy = Buffer.from(piece);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(copy.equals(piece), 'a piece changed while its sink was busy');
    pieces.push(copy);
    busy = false;
  });
  assert.is(sha256(Buffer.concat(pieces)), sha256(bytes));
});

test('holds the transfer up while the sink is busy, however large the body', async () => {
  await using origin = await startOrigin();
  await using http = openClient({ idleMs: 300 });
  const size = 64 * MiB;
  const { body } = await http.get(origin.put('/blob', blobOf(size, 'held up')));
  const held = gate();
  let taken = 0;
  const reading = body.read(async (piece) => {
    taken += piece.length;
    if (taken === piece.length) await held.opened;
  });
  await until('the transfer to stand still', async () => {
    const before = origin.bytesSent;
    await wait(100);
    return before > 0 && origin.bytesSent === before;
  });
  assert.ok(origin.bytesSent < size / 2, `${origin.bytesSent} bytes sent to a sink that waits`);
  // Longer than idleMs: a reader that is slow is not an upstream that is.
  await wait(1_500);
  held.open();
  await reading;
  assert.is(taken, size);
});

test('does not let the body flow before it is read', async () => {
  await using origin = await startOrigin();
  await using http = openClient();
  const size = 64 * MiB;
  const bytes = blobOf(size, 'unread');
  const reply = await http.get(origin.put('/blob', bytes));
  await until('the transfer to stand still', async () => {
    const before = origin.bytesSent;
    await wait(100);
    return before > 0 && origin.bytesSent === before;
  });
  assert.ok(origin.bytesSent < size / 2);
  assert.is(sha256(await bytesOf(reply)), sha256(bytes));
});

test('passes on what the sink throws, and ends the transfer', async () => {
  await using origin = await startOrigin();
  await using http = openClient();
  const url = origin.put('/blob', blobOf(16 * MiB, 'thrown'));
  for (const sink of [
    () => {
      throw new Error('enough');
    },
    () => Promise.reject(new Error('enough')),
  ]) {
    const { body } = await http.get(url);
    const error = await body.read(sink).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    assert.is((error as Error).message, 'enough');
  }
  await until('the origin to see both transfers end', () => origin.hits.length === 2);
  assert.ok(origin.hits.every(({ finished }) => !finished));
});

test('uses a connection again for what comes after a body read to its end', async () => {
  await using origin = await startOrigin();
  await using http = openClient();
  const url = origin.put('/blob', blobOf(100_000, 'again'));
  for (let round = 0; round < 20; round += 1) await bytesOf(await http.get(url));
  // The next request may come before undici has seen that the last one is over.
  assert.ok(origin.connections <= 2, `${origin.connections} connections`);
});

test('opens no more connections than it may, and serves all who wait in line', async () => {
  await using origin = await startOrigin({ always: { delayMs: 20 } });
  await using http = openClient({ connections: 3 });
  const url = origin.put('/blob', blobOf(50_000, 'line'));
  const bodies = await Promise.all(Array.from({ length: 12 }, async () => bytesOf(await http.get(url))));
  assert.ok(bodies.every((body) => body.length === 50_000));
  assert.ok(origin.connections <= 3, `${origin.connections} connections`);
});

test('goes on with other requests after one body was discarded', async () => {
  await using origin = await startOrigin();
  await using http = openClient({ connections: 1 });
  const url = origin.put('/blob', blobOf(16 * MiB, 'discarded'));
  const { body } = await http.get(url);
  body.discard();
  body.discard();
  assert.is((await bytesOf(await http.get(url))).length, 16 * MiB);
});

for (const [name, fault] of [
  ['a redirect with a short body', { redirect: 'http://127.0.0.1:1/' }],
  ['a short refusal', { status: 403, body: 'x'.repeat(10_000) }],
  ['a short refusal in chunks', { status: 403, chunked: true }],
  ['304', { status: 304, body: '' }],
] as const) {
  test(`keeps the connection after ${name} was discarded`, async () => {
    // Broke: every redirect to a store cost the origin a new connection.
    await using origin = await startOrigin({ always: fault });
    await using http = openClient();
    const url = origin.put('/blob', blobOf(1, 'discarded'));
    for (let round = 1; round <= 5; round += 1) {
      const { body } = await http.get(url);
      body.discard();
      await until('the reply to be out', () => origin.hits[round - 1]?.finished === true);
    }
    // The second is for a request that comes while the first is still being read out.
    assert.ok(origin.connections <= 2, `${origin.connections} connections`);
  });
}

test('reads no more of an endless body that was discarded than keeps a connection', async () => {
  await using http = openClient();
  let closed = false;
  await using server = await startRaw((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      const more = () =>
        socket.write(`1000\r\n${'x'.repeat(4096)}\r\n`, (error) => error ?? setImmediate(more));
      more();
    });
    socket.once('close', () => {
      closed = true;
    });
  });
  (await http.get(server.url)).body.discard();
  await until('the connection to be closed', () => closed);
});

test('closes the connection of a discarded body that does not come', async () => {
  await using http = openClient({ idleMs: 0 });
  let closed = false;
  await using server = await startRaw((socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n'));
    socket.once('close', () => {
      closed = true;
    });
  });
  (await http.get(server.url)).body.discard();
  await until('the connection to be closed', () => closed);
});

test('fails with CLIENT_GONE when aborted before the head, in the body, and before it began', async () => {
  await using origin = await startOrigin();
  await using http = openClient();
  const url = origin.put('/blob', blobOf(MiB, 'aborted'));

  origin.faults.push({ delayMs: 60_000 });
  const before = new AbortController();
  const asked = http.get(url, before.signal);
  await until('the request to arrive', () => origin.hits.length === 1);
  before.abort();
  await rejects('CLIENT_GONE', asked);

  origin.faults.push({ stallAfterBytes: 1000 });
  const during = new AbortController();
  const reading = bytesOf(await http.get(url, during.signal));
  await until('some bytes', () => origin.bytesSent > 0);
  during.abort();
  await rejects('CLIENT_GONE', reading);

  await rejects('CLIENT_GONE', http.get(url, AbortSignal.abort()));
});

test('fails with CLIENT_GONE at once when aborted while it waits in line', async () => {
  await using origin = await startOrigin({ faults: [{ delayMs: 60_000 }] });
  await using http = openClient({ connections: 1 });
  const url = origin.put('/blob', blobOf(10, 'in line'));
  const leaving = new AbortController();
  const asked = [1, 2].map(() => rejects('CLIENT_GONE', http.get(url, leaving.signal)));
  await until('the first to arrive', () => origin.hits.length === 1);
  leaving.abort();
  await Promise.all(asked);
});

test('fails when closed, be it before the head or in the body', async () => {
  await using origin = await startOrigin({ faults: [{ stallAfterBytes: 1000 }, { delayMs: 60_000 }] });
  const http = openClient();
  const url = origin.put('/blob', blobOf(MiB, 'closed'));
  const reading = rejects('UPSTREAM_TRUNCATED', bytesOf(await http.get(url)));
  const asking = rejects('UPSTREAM_UNREACHABLE', http.get(url));
  await until('both to arrive', () => origin.hits.length === 2);
  await http.client.close();
  await Promise.all([reading, asking]);
});

test('says UPSTREAM_UNREACHABLE where nobody listens, and of a reset before the head', async () => {
  await using origin = await startOrigin({ always: { reset: true } });
  await using http = openClient();
  await rejects('UPSTREAM_UNREACHABLE', http.get(origin.put('/blob', blobOf(1, 'reset'))));
  await rejects('UPSTREAM_UNREACHABLE', http.get('http://127.0.0.1:1/'));
});

test('says UPSTREAM_TIMEOUT of a head that does not come, and of a body that stops', async () => {
  await using origin = await startOrigin({ faults: [{ delayMs: 60_000 }, { stallAfterBytes: 1000 }] });
  await using http = openClient({ firstByteMs: 200, idleMs: 200 });
  const url = origin.put('/blob', blobOf(MiB, 'timeout'));
  assert.match((await rejects('UPSTREAM_TIMEOUT', http.get(url))).message, '200 ms');
  const reading = bytesOf(await http.get(url));
  assert.match((await rejects('UPSTREAM_TIMEOUT', reading)).message, '200 ms');
});

test('says UPSTREAM_TIMEOUT of a connection that is not taken', async () => {
  await using http = openClient({ connectMs: 200 });
  // TEST-NET-1 (RFC 5737): routed nowhere. Where there is no route at all the network says so at once.
  const error = await http.get('http://192.0.2.1/').then(
    () => undefined,
    (cause: unknown) => cause as P2PError,
  );
  assert.match(error?.code ?? '', /^(?:UPSTREAM_TIMEOUT|UPSTREAM_UNREACHABLE)$/);
});

for (const [name, fault] of [
  ['ends short of its length', { cutAfterBytes: 1000 }],
  ['is reset', { resetAfterBytes: 1000 }],
  ['ends without its last chunk', { chunked: true, cutAfterBytes: 1000 }],
] as const) {
  test(`says UPSTREAM_TRUNCATED of a body that ${name}`, async () => {
    await using origin = await startOrigin({ faults: [fault] });
    await using http = openClient();
    await rejects('UPSTREAM_TRUNCATED', bytesOf(await http.get(origin.put('/blob', blobOf(MiB, 'short')))));
  });
}

test('tells of a body that broke before anyone read it, after the bytes that came', async () => {
  await using origin = await startOrigin({ faults: [{ cutAfterBytes: 1000 }] });
  await using http = openClient();
  const { body } = await http.get(origin.put('/blob', blobOf(MiB, 'broke early')));
  await until('the origin to be done', () => origin.hits[0]?.bytes === 1000);
  let came = 0;
  const reading = body.read((piece) => {
    came += piece.length;
  });
  await rejects('UPSTREAM_TRUNCATED', reading);
  assert.is(came, 1000);
});

for (const [name, text] of [
  ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['a head without end', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(20_000)}`],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
] as const) {
  test(`says UPSTREAM_UNREACHABLE of an answer that is ${name}`, async () => {
    await using raw = await startRaw((socket) => socket.end(text));
    await using http = openClient();
    await rejects('UPSTREAM_UNREACHABLE', http.get(raw.url));
  });
}

test('passes over interim replies, and tells of each, by either way', async () => {
  await using raw = await startRaw((socket) =>
    socket.end(
      'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    ),
  );
  await using http = openClient();
  for (const bulk of [true, false]) {
    let words = 0;
    const heard = () => {
      words += 1;
    };
    const request = { url: raw.url, method: 'GET', headers: {}, bulk, interim: heard };
    const reply = await http.client.request(request, new AbortController().signal);
    assert.equal([reply.status, words], [200, 2]);
    assert.is((await bytesOf(reply)).toString(), 'ok');
  }
});

test('follows no redirect, decodes no body and sends headers as they are', async () => {
  await using origin = await startOrigin({ faults: [{ redirect: 'http://127.0.0.1:1/' }, { gzip: true }] });
  await using http = openClient();
  const url = origin.put('/blob', blobOf(100, 'as it is'));
  const redirect = await http.get(url);
  assert.is(redirect.status, 307);
  assert.is(redirect.headers.location, 'http://127.0.0.1:1/');
  redirect.body.discard();
  const packed = await http.client.request(
    { url: `${url}?a=%2F`, method: 'GET', headers: { range: 'bytes=0-', 'x-list': ['a', 'b'] } },
    NEVER,
  );
  assert.is(packed.headers['content-encoding'], 'gzip');
  assert.is((await bytesOf(packed)).readUInt16BE(0), 0x1f8b);
  const seen = origin.hits[1];
  assert.is(seen?.url, '/blob?a=%2F');
  assert.is(seen?.headers['x-list'], 'a, b');
  assert.is(seen?.headers.range, 'bytes=0-');
});

test('passes on what its lookup refused with', async () => {
  await using http = openClient({
    lookup: () => (_host, _options, callback) => callback(new P2PError('ORIGIN_NOT_ALLOWED', 'no'), '', 4),
  });
  await rejects('ORIGIN_NOT_ALLOWED', http.get('http://a.test/'));
});

test('tells no query of the URL in its errors', async () => {
  await using http = openClient();
  const error = await rejects('UPSTREAM_UNREACHABLE', http.get('http://127.0.0.1:1/blob?sig=secret'));
  assert.not.match(error.message, 'secret');
  assert.match(error.message, '/blob');
});

test.run();
