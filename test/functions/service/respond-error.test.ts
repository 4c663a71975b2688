import { connect } from 'node:net';
import Koa from 'koa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { P2PError } from '../../../functions/protocol/errors.ts';
import { respondError } from '../../../functions/service/respond-error.ts';
import { listen, memoryLog } from '../../support/app.ts';
import { get } from '../../support/client.ts';
import { gate } from '../../support/gate.ts';
import { PATIENCE_MS, until } from '../../support/until.ts';

const test = suite('functions/service/respond-error');

async function serving(handler: (ctx: Koa.Context) => void | Promise<void>) {
  const { log, lines } = memoryLog();
  const app = new Koa();
  app.use(respondError(log));
  app.use(handler);
  return { ...(await listen(app.callback())), lines };
}

test('answers an error of ours by its status, code and message', async () => {
  await using server = await serving(() => {
    throw new P2PError('ORIGIN_NOT_ALLOWED', 'add it to Origins');
  });
  const answer = await get(server.url);
  assert.is(answer.status, 403);
  assert.is(answer.text, 'ORIGIN_NOT_ALLOWED: add it to Origins\n');
  assert.is(answer.headers['x-p2p-error'], 'ORIGIN_NOT_ALLOWED');
  assert.is(server.lines[0]?.event, 'request_refused');
});

test('answers HEAD by the head alone', async () => {
  await using server = await serving(() => {
    throw new P2PError('ADDRESS_INVALID', 'no URL');
  });
  const answer = await get(server.url, { method: 'HEAD' });
  assert.is(answer.status, 400);
  assert.is(answer.size, 0);
  assert.ok(answer.complete);
});

test('passes a refusal on with its own status, headers and body, byte for byte', async () => {
  const body = Buffer.from([0, 255, 10]);
  await using server = await serving(() => {
    const headers = { 'www-authenticate': ['Bearer a', 'Basic b'], 'content-type': 'application/x' };
    throw new P2PError('UPSTREAM_REFUSED', 'no', { status: 401, headers, body });
  });
  const answer = await get(server.url);
  assert.is(answer.status, 401);
  assert.is(answer.headers['www-authenticate'], 'Bearer a, Basic b');
  assert.is(answer.headers['content-type'], 'application/x');
  assert.ok(answer.bytes.equals(body));
  assert.is(answer.headers['x-p2p-error'], undefined);
});

test("answers in the shape of a registry's errors where its API is asked for, but passes the origin's own on", async () => {
  const text = { 'content-type': 'text/plain' };
  const json = { 'content-type': 'application/json' };
  const form = /^\{"errors":\[\{"code":"DENIED","message":"[^"]+","detail":"ORIGIN_NOT_ALLOWED"\}\]\}\n$/;
  for (const [details, body, type] of [
    [{}, form, 'application/json'],
    [{ headers: text, body: Buffer.from('a node explains') }, form, 'application/json'],
    [{ headers: json, body: Buffer.from('{"own":"form"}') }, /^\{"own":"form"\}$/, 'application/json'],
  ] as const) {
    await using server = await serving(() => {
      throw new P2PError('ORIGIN_NOT_ALLOWED', 'add it to Origins', details);
    });
    const answer = await get(`${server.url}/v2/app/manifests/latest`);
    assert.is(answer.status, 403);
    assert.match(answer.text, body);
    assert.is(answer.headers['content-type'], type);
  }
  await using server = await serving(() => {
    throw new P2PError('UPSTREAM_REFUSED', 'no', {
      status: 404,
      headers: text,
      body: Buffer.from('no such'),
    });
  });
  assert.is((await get(`${server.url}/v2/app/manifests/latest`)).text, 'no such');
});

for (const thrown of [new Error('the password is hunter2'), 'hunter2', undefined, { code: 'hunter2' }]) {
  test(`says nothing of what is not ours: ${thrown}`, async () => {
    // DadiP2P's recover asserted the type of what was thrown, and panicked again over anything else.
    await using server = await serving(() => {
      throw thrown;
    });
    const answer = await get(server.url);
    assert.is(answer.status, 500);
    assert.not.match(answer.text, 'hunter2');
    assert.is(server.lines[0]?.level, 50);
  });
}

test('hides the message of an error that is not for clients', async () => {
  await using server = await serving(() => {
    throw new P2PError('CHUNK_CORRUPT', 'chunk 7 of hunter2');
  });
  const answer = await get(server.url);
  assert.is(answer.status, 502);
  assert.not.match(answer.text, 'hunter2');
});

for (const thrown of [new P2PError('UPSTREAM_TRUNCATED', 'broke'), new Error('bug')]) {
  for (const [name, headers] of [
    ['a length', { 'content-length': '100' }],
    ['chunks', {}],
  ] as const) {
    test(`breaks the connection when the body with ${name} fails half-way: ${thrown.message}`, async () => {
      await using server = await serving(async (ctx) => {
        ctx.respond = false;
        ctx.res.writeHead(200, headers);
        await new Promise((resolve) => ctx.res.write('half', resolve));
        throw thrown;
      });
      const answer = await get(server.url);
      assert.is(answer.status, 200);
      assert.is(answer.text, 'half');
      assert.not(answer.complete);
    });
  }
}

/**
 * A client that sends these bytes; what it has got, and what ends its connection. libuv takes a reset for a clean
 * end when it comes together with bytes, so a server under test has to wait until those are here.
 */
function talk(port: number, text: string) {
  const socket = connect(port, '127.0.0.1', () => socket.write(text));
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('nothing more came')));
  const client = { received: '', end: '' };
  socket.on('data', (piece) => {
    client.received += piece.toString('latin1');
  });
  socket.once('end', () => {
    client.end = 'clean';
  });
  socket.once('error', (error: NodeJS.ErrnoException) => {
    client.end = error.code ?? error.message;
  });
  return client;
}

test('resets the connection, so that a client that reads to its end sees the body break', async () => {
  // Broke: an HTTP/1.0 client, to whom no length is told, was sent a clean end and took a cut body for the whole.
  const arrived = gate();
  await using server = await serving(async (ctx) => {
    ctx.respond = false;
    ctx.res.writeHead(200);
    ctx.res.write('half');
    await arrived.opened;
    throw new P2PError('UPSTREAM_TRUNCATED', 'broke');
  });
  const client = talk(server.port, 'GET / HTTP/1.0\r\n\r\n');
  await until('the half', () => client.received.endsWith('half'));
  assert.not.match(client.received, /content-length|transfer-encoding/i);
  arrived.open();
  await until('the end', () => client.end !== '');
  assert.is(client.end, 'ECONNRESET');
});

test('lets a pipelined reply before the one that broke finish', async () => {
  const broken = gate();
  await using server = await serving(async (ctx) => {
    ctx.respond = false;
    ctx.res.writeHead(200, { 'content-length': 5 });
    if (ctx.path === '/broken') {
      broken.open();
      throw new Error('bug');
    }
    ctx.res.write('fir');
    await broken.opened;
    setImmediate(() => ctx.res.end('st'));
  });
  const client = talk(
    server.port,
    'GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /broken HTTP/1.1\r\nHost: x\r\n\r\n',
  );
  await until('the end', () => client.end !== '');
  assert.match(client.received, /\r\n\r\nfirst/);
});

test('goes on with other requests after a failure', async () => {
  let asked = 0;
  await using server = await serving((ctx) => {
    asked += 1;
    if (asked < 3) throw new Error('bug');
    ctx.body = 'fine';
  });
  await get(server.url);
  await get(server.url);
  assert.is((await get(server.url)).text, 'fine');
});

test.run();
