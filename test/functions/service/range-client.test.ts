import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Reply } from '../../../functions/blob/upstream.ts';
import { RangeClient } from '../../../functions/service/range-client.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { rejects } from '../../support/rejects.ts';
import { until } from '../../support/until.ts';

const test = suite('functions/service/range-client');

const NEVER = new AbortController().signal;
const BODY = blobOf(300_000, 'ranges');
const head = (length: number, ...more: string[]) =>
  ['HTTP/1.1 206 Partial Content', `Content-Length: ${length}`, ...more, '\r\n'].join('\r\n');

const CHUNKED = 'HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked\r\n\r\n';
const CRLF = Buffer.from('\r\n');

/** A server that answers each request on each connection by hand; `requests` are what it has read. */
async function startPeer(answer: (socket: Socket, request: string, count: number) => void) {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (!text.endsWith('\r\n\r\n')) return;
      requests.push(text);
      const request = text;
      text = '';
      answer(socket, request, requests.length);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/blob?x=1`,
    requests,
    sockets,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function openClient(
  limits: {
    connectMs?: number;
    firstByteMs?: number;
    idleMs?: number;
    connections?: number;
    restMs?: number;
  } = {},
) {
  const client = new RangeClient({
    connectMs: 2_000,
    firstByteMs: 5_000,
    idleMs: 5_000,
    connections: 8,
    ...limits,
  });
  return {
    ask: (url: string, signal = NEVER, interim?: () => void) =>
      client.request({ url, method: 'GET', headers: { range: 'bytes=0-9', accept: '*/*' }, interim }, signal),
    open: () => client.open,
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function bodyOf(reply: Reply | undefined): Promise<Buffer> {
  assert.ok(reply, 'was left to the general client');
  const pieces: Buffer[] = [];
  await reply.body.read((piece) => {
    pieces.push(Buffer.from(piece));
  });
  return Buffer.concat(pieces);
}

async function filled(reply: Reply | undefined, length = BODY.length): Promise<Buffer> {
  assert.ok(reply?.body.fill, 'was left to the general client');
  const target = Buffer.alloc(length);
  let told = 0;
  await reply.body.fill(target, (bytes) => {
    told += bytes;
  });
  assert.is(told, length);
  return target;
}

test('passes over interim replies, and tells of each', async () => {
  await using peer = await startPeer((socket) => {
    socket.write('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early');
    setImmediate(() => socket.write(` Hints\r\nLink: </x>\r\n\r\n${head(2)}ok`));
  });
  await using client = openClient();
  let told = 0;
  const reply = await client.ask(peer.url, NEVER, () => {
    told += 1;
  });
  assert.is((await bodyOf(reply)).toString(), 'ok');
  assert.is(told, 2);
});

test('leaves what goes on and on with interim replies, or goes on as no HTTP, to the general client', async () => {
  for (const text of ['HTTP/1.1 102 Processing\r\n\r\n'.repeat(121), 'HTTP/1.1 101 Switching\r\n\r\n']) {
    await using peer = await startPeer((socket) => socket.write(text));
    await using client = openClient();
    assert.is(await client.ask(peer.url), undefined);
  }
});

test('reads a body in place, and by pieces, whatever way the bytes arrive', async () => {
  for (const size of [1, 7, 100, 16_384, 16_385, 300_100]) {
    await using peer = await startPeer(async (socket) => {
      const all = Buffer.concat([Buffer.from(head(BODY.length, 'ETag: "a"')), BODY]);
      // The head byte by byte is slow enough; the rest in larger steps.
      const step = Math.max(size, Math.ceil(all.length / 400));
      for (let at = 0; at < 200 && size < 200; at += size)
        socket.write(all.subarray(at, Math.min(200, at + size)));
      for (let at = size < 200 ? 200 : 0; at < all.length; at += step) {
        if (!socket.write(all.subarray(at, at + step))) await once(socket, 'drain').catch(() => undefined);
      }
    });
    await using client = openClient();
    assert.is(sha256(await filled(await client.ask(peer.url))), sha256(BODY));
    assert.is(sha256(await bodyOf(await client.ask(peer.url))), sha256(BODY));
    assert.is(peer.connections(), 1);
    assert.match(
      peer.requests[0] ?? '',
      /^GET \/blob\?x=1 HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\nrange: bytes=0-9\r\n/,
    );
  }
});

test('reads a body in chunks in place, and by pieces, with what comes behind it, and uses its connection again', async () => {
  for (const size of [1_000, 65_536, 1_000_000]) {
    await using peer = await startPeer((socket) => {
      socket.write(CHUNKED);
      for (let at = 0; at < BODY.length; at += size) {
        const piece = BODY.subarray(at, at + size);
        socket.write(Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, CRLF]));
      }
      socket.write('0\r\nX-Sum: abc\r\n\r\n');
    });
    await using client = openClient();
    const first = await client.ask(peer.url);
    assert.is(sha256(await filled(first)), sha256(BODY));
    assert.equal(first?.trailers?.(), { 'x-sum': 'abc' });
    assert.is(sha256(await bodyOf(await client.ask(peer.url))), sha256(BODY));
    assert.is(peer.connections(), 1);
  }
});

test('reads on after it let bytes gather', async () => {
  // A peer that sends on only once what it sent was read is always slow.
  let told: () => void = () => {};
  await using peer = await startPeer(async (socket) => {
    socket.write(CHUNKED);
    for (let at = 0; at < 20; at += 1) {
      socket.write('64\r\n');
      const read = new Promise<void>((resolve) => {
        told = resolve;
      });
      socket.write(BODY.subarray(at * 100, (at + 1) * 100));
      await read;
      socket.write(CRLF);
    }
    socket.write('0\r\n\r\n');
  });
  await using client = openClient();
  const reply = await client.ask(peer.url);
  assert.ok(reply?.body.fill);
  const target = Buffer.alloc(2_000);
  let there = 0;
  await reply.body.fill(target, (bytes) => {
    there += bytes;
    if (there % 100 === 0) told();
  });
  assert.is(sha256(target), sha256(BODY.subarray(0, 2_000)));
});

test('breaks a body in chunks that ends early, is malformed, or has bytes behind its end', async () => {
  const answers = {
    early: ['a\r\n01234', 'UPSTREAM_TRUNCATED'],
    'without its end': ['a\r\n0123456789\r\n', 'UPSTREAM_TRUNCATED'],
    malformed: ['a\r\n0123456789ab', 'UPSTREAM_TRUNCATED'],
    'too long': ['b\r\n0123456789a\r\n0\r\n\r\n', 'UPSTREAM_MISMATCHED'],
    'too short': ['9\r\n012345678\r\n0\r\n\r\n', 'UPSTREAM_TRUNCATED'],
    'with more behind it': ['a\r\n0123456789\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n', 'UPSTREAM_MISMATCHED'],
  } as const;
  for (const [wire, code] of Object.values(answers)) {
    await using peer = await startPeer((socket) => socket.end(CHUNKED + wire));
    await using client = openClient();
    await rejects(code, filled(await client.ask(peer.url), 10));
    await until('the connection to be closed', () => [...peer.sockets].every((socket) => socket.destroyed));
  }
});

test('closes a connection whose body it is told to give up in the middle, and that of one in chunks', async () => {
  await using peer = await startPeer((socket, _request, count) => {
    socket.write(count === 1 ? `${CHUNKED}1\r\nx\r\n0\r\n\r\n` : `${head(10)}0123456789`);
  });
  await using client = openClient();
  (await client.ask(peer.url))?.body.discard();
  // Given up on the very last bytes, by whoever is told of them.
  const giving = new AbortController();
  const reply = await client.ask(peer.url, giving.signal);
  await rejects(
    'CLIENT_GONE',
    reply?.body.fill?.(Buffer.alloc(10), () => giving.abort()) ?? Promise.resolve(),
  );
  assert.is((await filled(await client.ask(peer.url), 10)).toString(), '0123456789');
  assert.is(peer.connections(), 3);
});

test('closes the connection of a body that is given up while its sink is busy, for good', async () => {
  await using peer = await startPeer((socket) => socket.write(`${head(10)}01234`));
  await using client = openClient({ connections: 1 });
  const reply = await client.ask(peer.url);
  const reading = reply?.body.read(() => new Promise(() => {})) ?? Promise.resolve();
  reply?.body.discard();
  await rejects('CLIENT_GONE', reading);
  await until('the connection to be closed', () => [...peer.sockets].every((socket) => socket.destroyed));
  const next = await client.ask(peer.url);
  // Of a body that has ended there is nothing to give up: the connection carries another.
  reply?.body.discard();
  next?.body.discard();
});

test('leaves nobody to catch what a sink fails with that gave the body up itself', async () => {
  await using peer = await startPeer((socket) => socket.write(`${head(10)}01234`));
  await using client = openClient();
  const giving = new AbortController();
  const reply = await client.ask(peer.url, giving.signal);
  const sink = async () => {
    giving.abort();
    throw new Error('of the sink');
  };
  await rejects('CLIENT_GONE', reply?.body.read(sink) ?? Promise.resolve());
  await new Promise(setImmediate);
});

test('waits for a sink that is busy, without losing a byte', async () => {
  await using peer = await startPeer((socket) =>
    socket.write(Buffer.concat([Buffer.from(head(BODY.length)), BODY])),
  );
  await using client = openClient();
  const reply = await client.ask(peer.url);
  assert.ok(reply);
  const pieces: Buffer[] = [];
  let busy = 0;
  await reply.body.read(async (piece) => {
    busy += 1;
    assert.is(busy, 1, 'the sink was called while it was busy');
    pieces.push(Buffer.from(piece));
    await new Promise(setImmediate);
    busy -= 1;
  });
  assert.is(sha256(Buffer.concat(pieces)), sha256(BODY));
});

test('leaves what is not plain to the general client, and that origin for a while', async () => {
  await using peer = await startPeer((socket) =>
    socket.write(
      'HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
    ),
  );
  await using client = openClient();
  assert.is(await client.ask(peer.url), undefined);
  assert.is(await client.ask(peer.url), undefined);
  assert.is(peer.requests.length, 1);
});

test('never sends a header that holds a line break', async () => {
  await using peer = await startPeer((socket) => socket.write(head(0)));
  const client = new RangeClient({ connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000, connections: 1 });
  const headers = { accept: 'a\r\nX-Smuggled: yes' };
  assert.is(await client.request({ url: peer.url, method: 'GET', headers }, NEVER), undefined);
  assert.is(peer.requests.length, 0);
  await client.close();
});

test('breaks a body that ends early, and one that has a byte too many', async () => {
  await using short = await startPeer((socket) => socket.end(`${head(10)}only5`));
  await using long = await startPeer((socket) => socket.write(`${head(5)}123456`));
  await using late = await startPeer((socket) => socket.write(`${head(5)}12345`));
  await using client = openClient();
  const reply = await client.ask(short.url);
  await rejects('UPSTREAM_TRUNCATED', filled(reply, 10));
  await rejects('UPSTREAM_MISMATCHED', client.ask(long.url));
  // Bytes after a body's end are the next reply's to no request: that connection is not used again.
  assert.is((await filled(await client.ask(late.url), 5)).toString(), '12345');
  for (const socket of late.sockets) socket.write('6');
  await until('the connection to be closed', () => [...late.sockets].every((socket) => socket.destroyed));
  assert.is((await filled(await client.ask(late.url), 5)).toString(), '12345');
  assert.is(late.connections(), 2);
});

test('never takes what is behind a body that it reads in place for the reply to the next request', async () => {
  const body = BODY.subarray(0, 20_000);
  const stray = head(body.length, 'X-Stray: yes');
  await using peer = await startPeer((socket, _request, count) =>
    socket.write(
      Buffer.concat([Buffer.from(head(body.length)), body, Buffer.from(count === 1 ? stray : '')]),
    ),
  );
  await using client = openClient({ connections: 1 });
  const first = await client.ask(peer.url);
  const next = client.ask(peer.url);
  await rejects('UPSTREAM_MISMATCHED', filled(first, body.length));
  const second = await next;
  assert.is(second?.headers['x-stray'], undefined);
  assert.is(sha256(await filled(second, body.length)), sha256(body));
  assert.is(peer.connections(), 2);
});

test('refuses to fill a buffer of another length', async () => {
  await using peer = await startPeer((socket) => socket.write(`${head(5)}12345`));
  await using client = openClient();
  await rejects('UPSTREAM_MISMATCHED', filled(await client.ask(peer.url), 6));
});

test('gives up on a peer that says nothing, in the head and in the body', async () => {
  await using mute = await startPeer(() => {});
  await using stalled = await startPeer((socket) => socket.write(`${head(10)}12345`));
  await using client = openClient({ firstByteMs: 100, idleMs: 100 });
  await rejects('UPSTREAM_TIMEOUT', client.ask(mute.url));
  await rejects('UPSTREAM_TIMEOUT', filled(await client.ask(stalled.url), 10));
});

test('gives up on nobody for what it has not heard itself, having had too much to do', async () => {
  await using peer = await startPeer((socket) => socket.write(`${head(2)}ok`));
  await using client = openClient({ connectMs: 50 });
  // After this come timers, and input only then.
  await new Promise(setImmediate);
  const asking = client.ask(peer.url);
  await new Promise(process.nextTick);
  const busySinceMs = performance.now();
  while (performance.now() - busySinceMs < 200);
  assert.is((await filled(await asking, 2)).toString(), 'ok');
});

test('asks again when a rested connection proves closed, but not when a fresh one does', async () => {
  await using peer = await startPeer((socket, _request, count) => {
    if (count === 2) socket.destroy();
    else socket.write(`${head(2)}ok`);
  });
  await using refusing = await startPeer((socket) => socket.destroy());
  await using client = openClient();
  assert.is((await filled(await client.ask(peer.url), 2)).toString(), 'ok');
  assert.is((await filled(await client.ask(peer.url), 2)).toString(), 'ok');
  assert.is(peer.connections(), 2);
  await rejects('UPSTREAM_UNREACHABLE', client.ask(refusing.url));
  assert.is(refusing.requests.length, 1);
});

// Each kept its buffer until that host was asked again.
test('keeps nothing of a connection that is closed while it rests', async () => {
  await using peer = await startPeer((socket) => socket.write(`${head(2)}ok`));
  await using client = openClient();
  await Promise.all([1, 2].map(async () => filled(await client.ask(peer.url), 2)));
  assert.is(client.open(), 2);
  for (const socket of peer.sockets) socket.end();
  await until('both to be forgotten', () => client.open() === 0);
  assert.is((await filled(await client.ask(peer.url), 2)).toString(), 'ok');
});

test('closes a connection before its peer does', async () => {
  await using patient = await startPeer((socket) => socket.write(`${head(2)}ok`));
  await using peer = await startPeer((socket) => socket.write(`${head(2, 'Keep-Alive: timeout=2')}ok`));
  await using client = openClient({ restMs: 60_000 });
  for (const { url } of [patient, peer]) await filled(await client.ask(url), 2);
  assert.is(client.open(), 2);
  const isClosed = ({ sockets }: typeof peer) => [...sockets].some(({ readableEnded }) => readableEnded);
  await until('the one to be closed', () => client.open() === 1 && isClosed(peer));
  assert.not(isClosed(patient));
});

test('closes a connection that was idle for as long as it may be', async () => {
  await using peer = await startPeer((socket) => socket.write(`${head(2, 'Keep-Alive: timeout=75')}ok`));
  await using client = openClient({ restMs: 200 });
  await filled(await client.ask(peer.url), 2);
  assert.is(client.open(), 1);
  await until('it to be closed', () => client.open() === 0);
});

test('does not use a connection again that the peer said it would close', async () => {
  await using peer = await startPeer((socket) => socket.end(`${head(2, 'Connection: close')}ok`));
  await using client = openClient();
  for (let round = 0; round < 3; round += 1) await filled(await client.ask(peer.url), 2);
  assert.is(peer.connections(), 3);
});

test('makes requests beyond its connections wait, and lets them go on when one ends or fails', async () => {
  await using peer = await startPeer((socket, _request, count) => {
    if (count % 3 === 0) socket.destroy();
    else socket.write(`${head(2)}ok`);
  });
  await using client = openClient({ connections: 2 });
  const all = await Promise.allSettled(
    Array.from({ length: 12 }, async () => (await filled(await client.ask(peer.url), 2)).toString()),
  );
  assert.is(all.length, 12);
  assert.ok(peer.sockets.size >= 2);
  assert.ok(all.some(({ status }) => status === 'fulfilled'));
});

test('ends at once when it is aborted, before the head and in the body', async () => {
  await using peer = await startPeer((socket, _request, count) => {
    if (count === 2) socket.write(`${head(10)}12345`);
  });
  await using client = openClient({ firstByteMs: 600_000, idleMs: 600_000 });
  const early = new AbortController();
  const asking = client.ask(peer.url, early.signal);
  await until('the request', () => peer.requests.length === 1);
  early.abort();
  await rejects('CLIENT_GONE', asking);
  const late = new AbortController();
  const filling = filled(await client.ask(peer.url, late.signal), 10);
  late.abort();
  await rejects('CLIENT_GONE', filling);
  await until('both connections to be closed', () => [...peer.sockets].every((socket) => socket.destroyed));
});

test('lets a request that is aborted leave the line, and the one behind it go on', async () => {
  await using peer = await startPeer((socket, _request, count) => {
    if (count > 1) socket.write(`${head(2)}ok`);
  });
  await using client = openClient({ connections: 1, firstByteMs: 600_000 });
  const [holding, leaving] = [new AbortController(), new AbortController()];
  const held = client.ask(peer.url, holding.signal);
  await until('the request', () => peer.requests.length === 1);
  const inLine = client.ask(peer.url, leaving.signal);
  const behind = client.ask(peer.url);
  leaving.abort();
  await rejects('CLIENT_GONE', inLine);
  await rejects('CLIENT_GONE', client.ask(peer.url, AbortSignal.abort()));
  holding.abort();
  await rejects('CLIENT_GONE', held);
  assert.is((await filled(await behind, 2)).toString(), 'ok');
  assert.is(peer.requests.length, 2);
});

test('keeps the connection of a short reply that nobody wants, and closes that of a long one', async () => {
  // Broke: every redirect to a store cost the origin a new connection.
  const moved = (length: number) =>
    `HTTP/1.1 307 Moved\r\nLocation: /x\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`;
  await using peer = await startPeer((socket, _request, count) => {
    socket.write(moved(count < 5 ? 1000 * (count - 1) : 100_000));
  });
  await using client = openClient();
  for (let round = 1; round <= 5; round += 1) {
    const reply = await client.ask(peer.url);
    assert.is(reply?.status, 307);
    reply?.body.discard();
    reply?.body.discard();
  }
  assert.ok(peer.connections() <= 2, `${peer.connections()} connections`);
  await until('one of them to be closed', () => [...peer.sockets].some((socket) => socket.destroyed));
});

test('connects where its lookup says, and fails as that refuses', async () => {
  await using peer = await startPeer((socket) => socket.write(`${head(2)}ok`));
  const client = new RangeClient({
    connectMs: 1_000,
    firstByteMs: 1_000,
    idleMs: 1_000,
    connections: 1,
    lookup: () => (_host, options, callback) => {
      if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
      else callback(null, '127.0.0.1', 4);
    },
  });
  const url = peer.url.replace('127.0.0.1', 'origin.test');
  const reply = await client.request({ url, method: 'GET', headers: {} }, NEVER);
  assert.is((await filled(reply, 2)).toString(), 'ok');
  assert.match(peer.requests[0] ?? '', /host: origin\.test:/);
  await client.close();
});

test('ends a request that is given up when an interim reply comes', async () => {
  // All in one piece.
  await using peer = await startPeer((socket) => socket.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(5)));
  await using client = openClient();
  const leaving = new AbortController();
  let told = 0;
  await rejects(
    'CLIENT_GONE',
    client.ask(peer.url, leaving.signal, () => {
      told += 1;
      leaving.abort();
    }),
  );
  assert.is(told, 1);
});

test.run();
