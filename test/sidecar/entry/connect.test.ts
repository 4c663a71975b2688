import { once } from 'node:events';
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Rule } from '../../../functions/service/config/settings.ts';
import { OriginAccess } from '../../../functions/service/origin-access.ts';
import { Rules } from '../../../functions/service/rules.ts';
import { answerConnect } from '../../../sidecar/entry/connect.ts';
import { listen, memoryLog } from '../../support/app.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { PATIENCE_MS, until } from '../../support/until.ts';

const test = suite('sidecar/entry/connect');

async function startProxy(
  origins: readonly string[] = ['127.0.0.1', 'localhost'],
  rules: readonly Rule[] = [],
) {
  const access = new OriginAccess(origins);
  const proxy = await listen((_, response) => void response.writeHead(400).end());
  proxy.server.on('connect', (request, client, head) =>
    answerConnect(
      { access, rules: new Rules(rules), connectMs: 500, log: memoryLog().log },
      request,
      client,
      head,
    ),
  );
  return proxy;
}

async function startTcp(talk: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server: Server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    talk(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' ? address?.port : 0,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Sends a text and gives all that comes back until the end. */
async function talk(port: number, ...texts: (string | Buffer)[]): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no end came')));
  for (const text of texts) socket.write(text);
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  socket.destroy();
  return Buffer.concat(pieces);
}

const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n';

test('carries bytes both ways unread, those sent along with the request too', async () => {
  const sent = blobOf(300_000, 'up');
  const answered = blobOf(500_000, 'down');
  const seen: Buffer[] = [];
  await using server = await startTcp((socket) => {
    socket.on('data', (piece) => {
      seen.push(piece);
      if (seen.reduce((sum, { length }) => sum + length, 0) === sent.length) socket.end(answered);
    });
  });
  await using proxy = await startProxy();
  const reply = await talk(proxy.port, `CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\nHost: x\r\n\r\n`, sent);
  assert.is(reply.subarray(0, ESTABLISHED.length).toString(), ESTABLISHED);
  assert.is(sha256(reply.subarray(ESTABLISHED.length)), sha256(answered));
  assert.is(sha256(Buffer.concat(seen)), sha256(sent));
});

test('lets the far end answer after the near one has said that it is done', async () => {
  await using server = await startTcp((socket) => {
    socket.resume().once('end', () => socket.end('after the end'));
  });
  await using proxy = await startProxy();
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no end came')));
  socket.write(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, 'data');
  socket.end('question');
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  assert.is(Buffer.concat(pieces).toString(), 'after the end');
});

for (const side of ['near', 'far'] as const) {
  test(`ends the tunnel when the ${side} end breaks`, async () => {
    await using server = await startTcp((socket) => socket.resume());
    await using proxy = await startProxy();
    const socket = connect(proxy.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await once(socket, 'data');
    const [far] = server.sockets as Iterable<Socket> as Set<Socket>;
    const other = side === 'near' ? (far as Socket) : socket;
    let ended = false;
    for (const event of ['end', 'close']) {
      other.once(event, () => {
        ended = true;
      });
    }
    (side === 'near' ? socket : (far as Socket)).resetAndDestroy();
    await until('the other end to be told', () => ended, 5_000);
  });
}

for (const [target, status, code] of [
  ['10.0.0.1:443', 403, 'ORIGIN_NOT_ALLOWED'],
  ['169.254.169.254:80', 403, 'ORIGIN_NOT_ALLOWED'],
  ['[::1]:443', 403, 'ORIGIN_NOT_ALLOWED'],
  ['[::ffff:10.0.0.1]:443', 403, 'ORIGIN_NOT_ALLOWED'],
  ['127.0.0.1:1', 502, 'UPSTREAM_UNREACHABLE'],
  ['127.0.0.1', 400, 'ADDRESS_INVALID'],
  ['127.0.0.1:99999', 400, 'ADDRESS_INVALID'],
  ['user@127.0.0.1:80', 400, 'ADDRESS_INVALID'],
  ['127.0.0.1:80/path', 400, 'ADDRESS_INVALID'],
  ['http://127.0.0.1:80', 400, 'ADDRESS_INVALID'],
  [':80', 400, 'ADDRESS_INVALID'],
  ['127.0.0.1:', 400, 'ADDRESS_INVALID'],
] as const) {
  test(`answers ${status} ${code} to CONNECT ${target}`, async () => {
    await using proxy = await startProxy();
    const reply = (await talk(proxy.port, `CONNECT ${target} HTTP/1.1\r\nHost: x\r\n\r\n`)).toString();
    assert.match(reply, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.match(reply, `\r\n\r\n${code}: `);
  });
}

test('refuses a name that resolves to a private address and is not listed', async () => {
  await using proxy = await startProxy(['*']);
  const reply = (await talk(proxy.port, 'CONNECT localhost:443 HTTP/1.1\r\nHost: x\r\n\r\n')).toString();
  assert.match(reply, /^HTTP\/1\.1 403 /);
  assert.match(reply, 'Origins');
});

for (const [match, target] of [
  ['^https://127\\.0\\.0\\.1:8443/', '127.0.0.1:8443'],
  ['^https://denied\\.test/', 'DENIED.test:443'],
  ['^http://denied\\.test/', 'denied.test:80'],
  ['^https?://127\\.0\\.0\\.1:', '127.1:8443'],
] as const) {
  test(`opens no tunnel to ${target} where a rule denies ${match}`, async () => {
    // Broke: rules that deny a host stopped its plain requests and let every tunnel through.
    await using proxy = await startProxy(['*', '127.0.0.1'], [{ Match: match, Action: 'deny' }]);
    const reply = (await talk(proxy.port, `CONNECT ${target} HTTP/1.1\r\nHost: x\r\n\r\n`)).toString();
    assert.match(reply, /^HTTP\/1\.1 403 /);
    assert.match(reply, '\r\n\r\nRULE_DENIED: ');
  });
}

test('opens the port of a private host that is listed, under either scheme, and no other', async () => {
  // Broke: an entry for one port opened all of the host to tunnels.
  await using server = await startTcp((socket) => socket.end('hello'));
  await using other = await startTcp((socket) => socket.end('secret'));
  for (const scheme of ['http', 'https']) {
    await using proxy = await startProxy([`${scheme}://127.0.0.1:${server.port}`]);
    const ask = (port = 0) => talk(proxy.port, `CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.match((await ask(server.port)).toString(), /hello$/);
    assert.match((await ask(other.port)).toString(), /^HTTP\/1\.1 403 /);
  }
  assert.is(other.sockets.size, 0);
});

test('brings a slow client all that was sent before the far end closed', async () => {
  // Broke: the end of the far side took along what the client had not read yet.
  const sent = blobOf(20_000_000, 'slow');
  await using server = await startTcp((socket) => socket.end(sent));
  await using proxy = await startProxy();
  const socket = connect({ port: proxy.port, host: '127.0.0.1' });
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no end came')));
  socket.write(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until('the far end to have sent all it can', () =>
    [...server.sockets].some((far) => far.bytesWritten > 0),
  );
  const pieces: Buffer[] = [];
  for await (const piece of socket) {
    pieces.push(piece as Buffer);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.is(sha256(Buffer.concat(pieces).subarray(ESTABLISHED.length)), sha256(sent));
});

test('lets go of a client that was refused and does not hang up', async () => {
  // Broke: its socket stayed for as long as it liked.
  await using proxy = await startProxy();
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  const ended = once(socket.resume(), 'end', { signal: AbortSignal.timeout(PATIENCE_MS) });
  socket.write('CONNECT 10.0.0.1:443 HTTP/1.1\r\nHost: x\r\n\r\n');
  await ended;
  await until(
    'the proxy to close its end',
    () => new Promise<boolean>((resolve) => proxy.server.getConnections((_, open) => resolve(open === 0))),
  );
  socket.destroy();
});

test.run();
