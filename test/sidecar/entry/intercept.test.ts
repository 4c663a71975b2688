import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, Server as TlsServer } from 'node:tls';
import { queryObjects } from 'node:v8';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseHostPattern } from '../../../functions/service/host-pattern.ts';
import { OriginAccess } from '../../../functions/service/origin-access.ts';
import { Rules } from '../../../functions/service/rules.ts';
import { answerConnect } from '../../../sidecar/entry/connect.ts';
import { Interception } from '../../../sidecar/entry/intercept.ts';
import { Terminated } from '../../../sidecar/entry/terminated.ts';
import { Authority } from '../../../sidecar/tls/authority.ts';
import { InterceptedHosts } from '../../../sidecar/tls/intercepted-hosts.ts';
import { Leaves } from '../../../sidecar/tls/leaf.ts';
import { makeAuthority } from '../../../sidecar/tls/make-authority.ts';
import { type Line, listen, memoryLog } from '../../support/app.ts';
import { openTls, openTunnel } from '../../support/tunnel.ts';
import { until } from '../../support/until.ts';

const test = suite('sidecar/entry/intercept');

const made = await makeAuthority(['registry.test', '127.0.0.1'], Date.now());

interface ProxyOptions {
  readonly handshakeMs?: number;
  readonly answer?: (request: IncomingMessage, response: ServerResponse) => void;
  readonly now?: () => number;
}

/** A proxy that intercepts two hosts, and answers each request with the URL it takes it for. */
async function startProxy({ handshakeMs = 5_000, answer, now = Date.now }: ProxyOptions = {}) {
  const { log, lines } = memoryLog();
  const terminated = new Terminated();
  const authority = await Authority.of(made.cert, made.key);
  const proxy = await listen(
    answer ??
      ((asked, reply) => {
        try {
          reply.end(terminated.urlOf(asked) ?? 'outside');
        } catch (error) {
          reply.writeHead((error as { status: number }).status).end(String(error));
        }
      }),
  );
  const origins = ['registry.test', '127.0.0.1', 'unpermitted.test'];
  const interception = new Interception({
    hosts: new InterceptedHosts({ origins: origins.map(parseHostPattern), accelerated: [undefined] }),
    authority,
    leaves: new Leaves({ authority, now }),
    terminated,
    serve: (connection) => proxy.server.emit('connection', connection),
    handshakeMs,
    log,
    now,
  });
  const parts = {
    access: new OriginAccess(origins),
    rules: new Rules([]),
    connectMs: 500,
    log,
    interception,
  };
  proxy.server.on('connect', (asked, client, head) => answerConnect(parts, asked, client, head));
  return {
    ...proxy,
    lines,
    interception,
    tls: (target: string, options: ConnectionOptions = {}) =>
      openTls(proxy.port, target, { ca: made.cert, ...options }),
    /** The reply to requests written by hand, all of it. */
    async ask(target: string, ...requests: string[]): Promise<string> {
      await using socket = disposable(await openTls(proxy.port, target, { ca: made.cert }));
      socket.stream.write(requests.join(''));
      // Awaited here: the socket ends with this function.
      return await readAll(socket.stream);
    },
    connections: () =>
      new Promise<number>((resolve) => proxy.server.getConnections((_, open) => resolve(open))),
  };
}

const disposable = <T extends Socket>(stream: T) => ({
  stream,
  async [Symbol.asyncDispose]() {
    stream.destroy();
  },
});

async function readAll(socket: Socket): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

const get = (path: string, host = 'registry.test', more = 'Connection: close\r\n') =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;

const failure = (promise: Promise<unknown>): Promise<NodeJS.ErrnoException> =>
  promise.then(
    () => assert.unreachable('it did not fail') as never,
    (error) => error,
  );

test('takes what is asked inside for the host that CONNECT named, port and path as they stand', async () => {
  await using proxy = await startProxy();
  for (const [target, host, path, url] of [
    ['registry.test:443', 'registry.test', '/v2/a//b?c=%2F', 'https://registry.test/v2/a//b?c=%2F'],
    ['registry.test:5000', 'registry.test:5000', '/x', 'https://registry.test:5000/x'],
    ['REGISTRY.test:443', 'Registry.TEST', '/x', 'https://registry.test/x'],
    ['registry.test:443', 'registry.test:443', '//other.test/x', 'https://registry.test//other.test/x'],
    ['registry.test:443', 'registry.test', 'https://registry.test/x', 'https://registry.test/x'],
    ['127.0.0.1:443', '127.0.0.1', '/x', 'https://127.0.0.1/x'],
  ] as const) {
    assert.match(
      await proxy.ask(target, get(path, host)),
      new RegExp(`^HTTP/1\\.1 200 .*\r\n\r\n${escaped(url)}$`, 's'),
    );
  }
  assert.is(await plainGet(proxy.url), 'outside');
});

test('answers 421 to a request for another origin than that of CONNECT', async () => {
  await using proxy = await startProxy();
  for (const [path, host, more] of [
    ['/x', 'other.test'],
    ['/x', 'registry.test:5000'],
    ['/x', 'user@registry.test'],
    ['/x', 'registry.test/'],
    ['/x', 'registry.test', 'Host: other.test\r\nConnection: close\r\n'],
    ['https://other.test/x', 'registry.test'],
    ['http://registry.test/x', 'registry.test'],
  ] as const) {
    const reply = await proxy.ask('registry.test:443', get(path, host, more));
    assert.match(reply, /^HTTP\/1\.1 421 /);
    assert.match(reply, 'https://registry.test');
  }
  assert.match(await proxy.ask('registry.test:443', get('*')), /^HTTP\/1\.1 400 /);
});

test('shows three clients at once, and later ones, one leaf of our authority', async () => {
  await using proxy = await startProxy();
  const sockets = await Promise.all([1, 2, 3].map(() => proxy.tls('registry.test:443')));
  sockets.push(await proxy.tls('registry.test:443'), await proxy.tls('registry.test:444'));
  const serials = new Set(sockets.map((socket) => socket.getPeerCertificate().serialNumber));
  assert.is(serials.size, 1);
  for (const socket of sockets) socket.destroy();
});

test('offers HTTP/1.1 alone, over TLS 1.2 and later', async () => {
  await using proxy = await startProxy();
  for (const [options, alpn, version] of [
    [{ ALPNProtocols: ['h2', 'http/1.1'] }, 'http/1.1', 'TLSv1.3'],
    [{ maxVersion: 'TLSv1.2' }, false, 'TLSv1.2'],
  ] as const) {
    await using socket = disposable(await proxy.tls('registry.test:443', options as ConnectionOptions));
    assert.is(socket.stream.alpnProtocol, alpn);
    assert.is(socket.stream.getProtocol(), version);
  }
  const old: ConnectionOptions = {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  };
  for (const options of [{ ALPNProtocols: ['h2'] }, old]) {
    await failure(proxy.tls('registry.test:443', options));
  }
  const refused = () => refusals(proxy.lines);
  await until('both to be logged', () => refused().length === 2);
  assert.equal(refused(), ['ERR_SSL_NO_APPLICATION_PROTOCOL', 'ERR_SSL_UNSUPPORTED_PROTOCOL']);
});

test('lets go of a client whose SNI names another host than its CONNECT', async () => {
  await using proxy = await startProxy();
  for (const servername of ['other.test', 'sub.registry.test']) {
    await failure(proxy.tls('registry.test:443', { servername }));
  }
  await using socket = disposable(await proxy.tls('registry.test:443', { servername: 'REGISTRY.test' }));
  assert.ok(socket.stream.authorized);
  assert.equal(refusals(proxy.lines), ['MISDIRECTED', 'MISDIRECTED']);
  socket.stream.destroy();
  await until('nobody to be connected', async () => (await proxy.connections()) === 0);
});

test('tunnels what is not TLS, as if the host were under no rule', async () => {
  await using server = await startTcp((socket) => {
    socket.once('data', (bytes) => socket.end(`echo ${bytes}`));
  });
  await using proxy = await startProxy();
  for (const text of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'SSH-2.0-client\r\n', '\0']) {
    await using socket = disposable(await openTunnel(proxy.port, `127.0.0.1:${server.port}`));
    socket.stream.write(text);
    assert.is(await readAll(socket.stream), `echo ${text}`);
  }
  await until('nobody to be connected', async () => (await proxy.connections()) === 0);
});

test('takes what was sent along with CONNECT for the beginning of what is inside', async () => {
  await using server = await startTcp((socket) => {
    socket.once('data', (bytes) => socket.end(`echo ${bytes}`));
  });
  await using proxy = await startProxy();
  await using socket = disposable(connect(proxy.port, '127.0.0.1'));
  const target = `127.0.0.1:${server.port}`;
  socket.stream.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\nplain`);
  assert.match(await readAll(socket.stream), /^HTTP\/1\.1 200 .*echo plain$/s);
  // The first flight of TLS, in one piece with the head.
  const hello = await clientHello('registry.test');
  await using eager = disposable(connect(proxy.port, '127.0.0.1'));
  const head = 'CONNECT registry.test:443 HTTP/1.1\r\nHost: registry.test:443\r\n\r\n';
  eager.stream.write(Buffer.concat([Buffer.from(head), hello]));
  const seen: Buffer[] = [];
  eager.stream.on('data', (piece: Buffer) => seen.push(piece));
  // What follows the head is a handshake record: the server's hello.
  await until('its hello', () => /\r\n\r\n\x16\x03\x03/.test(Buffer.concat(seen).toString('latin1')));
});

test('lets go of clients that say nothing, or break off, before TLS stands', async () => {
  await using proxy = await startProxy({ handshakeMs: 200 });
  const hello = await clientHello('registry.test');
  for (const [name, talk] of Object.entries<(socket: Socket) => unknown>({
    silent: () => {},
    'half a hello': (socket: Socket) => void socket.write(hello.subarray(0, 40)),
    'a hello and no more': (socket: Socket) => void socket.write(hello),
    'at an end': (socket: Socket) => void socket.end(),
    'at an end after half a hello': (socket: Socket) => void socket.end(hello.subarray(0, 40)),
    'a broken record': (socket: Socket) =>
      void socket.write(Buffer.concat([hello.subarray(0, 20), Buffer.alloc(400, 7)])),
    gone: (socket: Socket) => void socket.resetAndDestroy(),
  })) {
    const socket = await openTunnel(proxy.port, 'registry.test:443');
    socket.on('error', () => {}).resume();
    talk(socket);
    await until(`the client that is ${name} to be let go`, async () => (await proxy.connections()) === 0);
    socket.destroy();
  }
});

test('holds a bounded number of servers, however many ports of a host are asked for', async () => {
  // Broke: 44 KiB for each of 65535 ports, for ever.
  await using proxy = await startProxy();
  const before = queryObjects(TlsServer, { format: 'count' });
  for (let port = 1; port <= 40; port += 1) {
    const socket = await proxy.tls(`registry.test:${port}`);
    socket.destroy();
  }
  const made = queryObjects(TlsServer, { format: 'count' }) - before;
  assert.ok(made <= 4, `${made} servers`);
});

test('serves one request after the other on a connection, and pipelined ones', async () => {
  await using proxy = await startProxy();
  const reply = await proxy.ask(
    'registry.test:443',
    get('/1', 'registry.test', ''),
    get('/2', 'registry.test', ''),
    get('/3'),
  );
  assert.equal(
    [...reply.matchAll(/https:\/\/registry\.test\/\d/g)].map(String),
    [1, 2, 3].map((n) => `https://registry.test/${n}`),
  );
});

test('tells the server that a client has left', async () => {
  let left: Promise<unknown> | undefined;
  await using proxy = await startProxy({
    answer(_, reply) {
      left = once(reply, 'close');
      reply.writeHead(200, { 'content-length': 1000 });
      reply.write('begun');
    },
  });
  const socket = await proxy.tls('registry.test:443');
  socket.write(get('/x'));
  await once(socket, 'data');
  socket.destroy();
  await left;
  await until('nobody to be connected', async () => (await proxy.connections()) === 0);
});

test('hands an upgrade inside to the server with the URL it is for', async () => {
  await using proxy = await startProxy();
  const terminated = upgradeTarget(proxy.server);
  await using socket = disposable(await proxy.tls('registry.test:443'));
  socket.stream.write(get('/chat', 'registry.test', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'));
  const { request: asked, connection } = await terminated;
  assert.is(asked.url, '/chat');
  assert.ok(proxy.interception.holds(connection));
  connection.end('HTTP/1.1 101 Switching Protocols\r\n\r\nhello');
  assert.match(await readAll(socket.stream), /hello$/);
});

test('refuses CONNECT inside: the connection is to an origin', async () => {
  await using proxy = await startProxy();
  const reply = await proxy.ask(
    'registry.test:443',
    'CONNECT registry.test:443 HTTP/1.1\r\nHost: registry.test\r\n\r\n',
  );
  assert.match(reply, /^HTTP\/1\.1 405 /);
});

test('wants no host that its authority does not permit, nor any once that has ended', async () => {
  const clock = { nowMs: Date.now() };
  await using proxy = await startProxy({ now: () => clock.nowMs });
  const wants = (host: string) => proxy.interception.wants(new URL(`https://${host}`));
  assert.equal(['registry.test', 'unpermitted.test', 'other.test'].map(wants), [true, false, false]);
  clock.nowMs += 6 * 365 * 86_400_000;
  assert.not.ok(wants('registry.test'));
});

/** Why handshakes were refused; clients that left meanwhile do not count. */
const refusals = (lines: readonly Line[]): unknown[] =>
  lines
    .filter(({ event }) => event === 'handshake_failed')
    .map(({ cause }) => (cause as { code?: string }).code)
    .filter((code) => code !== 'ECONNRESET');

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

async function plainGet(url: string): Promise<string> {
  const sent = request(url, { agent: false }).end();
  const [reply] = (await once(sent, 'response')) as [IncomingMessage];
  return readAll(reply as unknown as Socket);
}

async function upgradeTarget(server: Server): Promise<{ request: IncomingMessage; connection: Socket }> {
  const [request, connection] = (await once(server, 'upgrade')) as [IncomingMessage, Socket];
  return { request, connection };
}

/** What a TLS client says first. */
async function clientHello(servername: string): Promise<Buffer> {
  await using server = await startTcp(() => {});
  const client = connectTls({ port: server.port, host: '127.0.0.1', servername }).on('error', () => {});
  const hello = await server.first;
  client.destroy();
  return hello;
}

async function startTcp(talk: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  let arrived: (bytes: Buffer) => void = () => {};
  const first = new Promise<Buffer>((resolve) => {
    arrived = resolve;
  });
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('data', arrived);
    talk(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    first,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test.run();
