import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { type Ask, get } from '../support/client.ts';
import { freePort } from '../support/daemon.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { startAgent } from '../support/pair.ts';
import { shared } from '../support/shared.ts';
import { PATIENCE_MS, until } from '../support/until.ts';

const test = suite('system/forward-proxy');

interface Network extends AsyncDisposable {
  readonly origin: Origin;
  readonly agent: NodeProcess;
}

const network = shared<Network>(test, async () => {
  const origin = await startOrigin();
  const agent = await startAgent(
    {
      origins: ['127.0.0.1'],
      agent: {
        ProxyConfig: {
          Rules: [
            { Match: '/v2/.+/blobs/sha256:', Action: 'accelerate' },
            { Match: '/forbidden', Action: 'deny' },
          ],
        },
      },
    },
    [],
  );
  return {
    origin,
    agent,
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  };
});

const proxied = ({ proxyPort }: NodeProcess, url: string, ask: Ask = {}) =>
  get(url, { ...ask, proxy: { host: '127.0.0.1', port: proxyPort } });

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of message as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

test('status, headers and body of what no rule matches come back as the origin sent them', async () => {
  const { origin, agent } = await network();
  const bytes = blobOf(300_000, 'passed');
  for (const status of [200, 201, 302, 404, 418, 500, 503]) {
    const url = origin.route(`/status/${status}`, (_, response) => {
      response.writeHead(status, {
        'x-own': 'kept',
        'set-cookie': ['a=1', 'b=2'],
        location: '/elsewhere',
        'content-length': bytes.length,
        connection: 'close, x-hop',
        'x-hop': 'for the next hop alone',
      });
      response.end(bytes);
    });
    const answer = await proxied(agent, url);
    assert.is(answer.status, status);
    assert.is(answer.digest, sha256(bytes), `${status}`);
    assert.is(answer.headers['x-own'], 'kept');
    assert.equal(answer.headers['set-cookie'], ['a=1', 'b=2']);
    assert.is(answer.headers.location, '/elsewhere', 'a redirect is for the client to follow');
    assert.is(answer.headers['x-hop'], undefined, 'what Connection names is hop-by-hop');
    assert.is(answer.headers['content-length'], String(bytes.length));
    assert.match(String(answer.headers.via), /dadip2p/);
    const head = await proxied(agent, url, { method: 'HEAD' });
    assert.is(head.status, status);
    assert.is(head.size, 0);
    assert.is(head.headers['content-length'], String(bytes.length));
  }
});

test('request bodies, methods and headers reach the origin as the client sent them', async () => {
  const { origin, agent } = await network();
  const seen: { method: string; headers: IncomingMessage['headers'] }[] = [];
  const url = origin.route('/echo', async (asked, response) => {
    const body = await bodyOf(asked);
    seen.push({ method: asked.method ?? '', headers: asked.headers });
    response.writeHead(200, { 'content-length': body.length }).end(body);
  });
  const bytes = blobOf(500_000, 'posted');
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    const length = { 'content-length': String(bytes.length) };
    for (const framing of [length, { 'transfer-encoding': 'chunked' }]) {
      const answer = await proxied(agent, `${url}?q=1&q=2`, {
        method,
        body: bytes,
        headers: {
          ...framing,
          cookie: 'c=1',
          authorization: 'Basic abc',
          'x-own': 'kept',
          'proxy-authorization': 'Basic for-the-proxy',
          'proxy-connection': 'keep-alive',
        },
      });
      assert.is(answer.status, 200, method);
      assert.is(answer.digest, sha256(bytes), method);
      const { headers, method: asked } = seen.at(-1) as (typeof seen)[number];
      assert.is(asked, method);
      assert.is(headers.cookie, 'c=1');
      assert.is(headers.authorization, 'Basic abc');
      assert.is(headers['x-own'], 'kept');
      assert.is(headers.host, new URL(url).host);
      assert.is(headers['proxy-authorization'], undefined);
      assert.is(headers['proxy-connection'], undefined);
    }
  }
  assert.is(seen.length, 10);
});

test('bodies stream both ways: neither side waits for the other to end', async () => {
  const { origin, agent } = await network();
  const url = origin.route('/duplex', async (asked, response) => {
    response.writeHead(200).flushHeaders();
    for await (const piece of asked) response.write(piece);
    response.end();
  });
  const sent = request({
    host: '127.0.0.1',
    port: agent.proxyPort,
    path: url,
    method: 'POST',
    headers: { host: new URL(url).host, 'transfer-encoding': 'chunked' },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  sent.write('one');
  const [reply] = (await once(sent, 'response')) as [IncomingMessage];
  // Each piece is sent only when the one before it has come back.
  const words = ['two', 'three'];
  let echoed = '';
  for await (const piece of reply) {
    echoed += piece;
    const word = words.shift();
    if (word !== undefined) sent.write(word);
    else sent.end();
  }
  assert.is(echoed, 'onetwothree');
});

test('a chunked reply without a length arrives whole, and one that breaks off arrives broken', async () => {
  const { origin, agent } = await network();
  const bytes = blobOf(200_000, 'chunked');
  const whole = await proxied(agent, origin.put('/chunked', bytes));
  assert.is(whole.digest, sha256(bytes));
  for (const fault of [{ chunked: true }, { untilClose: true }] as const) {
    origin.faults.push(fault);
    const answer = await proxied(agent, `${origin.url}/chunked`);
    assert.is(answer.complete, true);
    assert.is(answer.digest, sha256(bytes));
  }
  for (const fault of [{ cutAfterBytes: 70_000 }, { chunked: true, cutAfterBytes: 70_000 }] as const) {
    origin.faults.push(fault);
    const answer = await proxied(agent, `${origin.url}/chunked`);
    assert.is(answer.complete, false);
    assert.ok(answer.size <= 70_000);
  }
});

test('a client that leaves stops the upstream, accelerated or not', async () => {
  const { origin, agent } = await network();
  const gone = new AbortController();
  let closed = false;
  const url = origin.route('/endless', (_, response) => {
    response.writeHead(200);
    const more = () => {
      if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setImmediate(more));
    };
    response.once('close', () => {
      closed = true;
    });
    more();
  });
  const answer = await proxied(agent, url, { signal: gone.signal, onPiece: () => gone.abort() });
  assert.is(answer.complete, false);
  await until('the upstream to be closed', () => closed);
});

test('a rule that accelerates serves the second read from the cache; one that denies says so', async () => {
  const { origin, agent } = await network();
  const bytes = blobOf(200_000, 'accelerated');
  const url = origin.put(`/v2/x/blobs/sha256:${sha256(bytes)}`, bytes);
  assert.is((await proxied(agent, url)).digest, sha256(bytes));
  origin.forget();
  const again = await proxied(agent, url);
  assert.is(again.digest, sha256(bytes));
  assert.is(origin.hits.length, 0);
  // A write to such a URL is no read of a blob.
  assert.is((await proxied(agent, url, { method: 'DELETE' })).status, 200);
  assert.is(origin.hits.length, 1);
  const denied = await proxied(agent, `${origin.url}/forbidden`);
  assert.is(denied.status, 403);
  assert.is(denied.headers['x-p2p-error'], 'RULE_DENIED');
  const noProxy = await get(`http://127.0.0.1:${agent.proxyPort}/something`);
  assert.is(noProxy.status, 400);
  assert.match(noProxy.text, /http_proxy/);
});

test('what cannot be reached is 502 or 403, never a success', async () => {
  const { agent } = await network();
  const port = await freePort();
  const unreachable = await proxied(agent, `http://127.0.0.1:${port}/a`);
  assert.is(unreachable.status, 502);
  assert.is(unreachable.headers['x-p2p-error'], 'UPSTREAM_UNREACHABLE');
  for (const url of ['http://10.0.0.1/a', 'http://169.254.169.254/latest/', `http://localhost:${port}/a`]) {
    const refused = await proxied(agent, url);
    assert.is(refused.status, 403, url);
    assert.match(refused.text, /Origins/);
  }
});

// A shared secret in place of a certificate: TLS all the same, and nothing to generate.
const PSK = {
  ciphers: 'PSK',
  maxVersion: 'TLSv1.2',
  pskCallback: () => ({ psk: Buffer.from('shared by both'), identity: 'test' }),
} as const;

/** Opens a tunnel by CONNECT; gives the socket and the status of the answer. */
async function tunnel(agent: NodeProcess, target: string): Promise<[status: number, socket: Duplex]> {
  const asking = request({ host: '127.0.0.1', port: agent.proxyPort, method: 'CONNECT', path: target });
  asking.end();
  const [reply, socket] = (await once(asking, 'connect', { signal: AbortSignal.timeout(PATIENCE_MS) })) as [
    IncomingMessage,
    Socket,
  ];
  return [reply.statusCode ?? 0, socket];
}

test('CONNECT carries TLS to a server unread, both ways, and ends with either side', async () => {
  const { agent } = await network();
  const server = createTlsServer(
    { ...PSK, pskCallback: () => PSK.pskCallback().psk },
    async (asked, response) => {
      response.end(await bodyOf(asked));
    },
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const [status, socket] = await tunnel(agent, `127.0.0.1:${port}`);
  assert.is(status, 200);
  const secure = connectTls({ ...PSK, socket, checkServerIdentity: () => undefined });
  await once(secure, 'secureConnect', { signal: AbortSignal.timeout(PATIENCE_MS) });
  const bytes = blobOf(2_000_000, 'tunnelled');
  const sent = request({
    method: 'POST',
    path: '/',
    createConnection: () => secure,
    headers: { connection: 'close', 'content-length': bytes.length },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  sent.end(bytes);
  const [reply] = (await once(sent, 'response')) as [IncomingMessage];
  assert.is(sha256(await bodyOf(reply)), sha256(bytes));
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test('CONNECT is refused where it may not go, and says so where nothing listens', async () => {
  const { agent } = await network();
  for (const [target, status] of [
    ['10.0.0.1:443', 403],
    ['localhost:443', 403],
    ['169.254.169.254:80', 403],
    ['127.0.0.1:1', 502],
    ['nonsense', 400],
    ['127.0.0.1:99999', 400],
  ] as const) {
    const [got, socket] = await tunnel(agent, target);
    assert.is(got, status, target);
    socket.destroy();
  }
});

test('either side of a tunnel that leaves takes the other along', async () => {
  const { agent } = await network();
  const accepted: Socket[] = [];
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    accepted.push(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const [, byClient] = await tunnel(agent, `127.0.0.1:${port}`);
  await until('the first connection', () => accepted.length === 1);
  byClient.destroy();
  await until(
    'its upstream to close',
    () => accepted[0]?.destroyed || accepted[0]?.readableEnded || undefined,
  );
  const [, byServer] = await tunnel(agent, `127.0.0.1:${port}`);
  await until('the second connection', () => accepted.length === 2);
  // A reset comes through as one: what broke must not look like an end.
  const broken = once(byServer.resume(), 'end', { signal: AbortSignal.timeout(PATIENCE_MS) });
  accepted[1]?.resetAndDestroy();
  const { code } = (await broken.then(
    () => assert.unreachable('a clean end'),
    (error: NodeJS.ErrnoException) => error,
  )) as NodeJS.ErrnoException;
  assert.is(code, 'ECONNRESET');
  for (const socket of accepted) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  // A broken tunnel has not taken the proxy along.
  assert.is((await get(`http://127.0.0.1:${agent.proxyPort}/healthz`)).status, 200);
  assert.is(agent.logs('worker_crashed').length, 0);
});

test.run();
