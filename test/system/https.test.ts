import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createAuthority, type Leaf } from '../support/authority.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { type Front, startFront } from '../support/front.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type Pair, startPair } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { shared } from '../support/shared.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';
import { openTls } from '../support/tunnel.ts';
import { PATIENCE_MS, until } from '../support/until.ts';

const NAME = 'system/https';
const test = suite(NAME);

const BYTES = blobOf(700_000, 'https');
const FRESH = { headers: { 'cache-control': 'max-age=600' } };
const run = promisify(execFile);

/** A root and an agent that intercept, and three origins over TLS, each `127.0.0.1:port`. */
interface Setup extends AsyncDisposable {
  readonly pair: Pair;
  readonly dir: TempDir;
  readonly origin: Origin;
  /** Under a rule. */
  readonly ruled: Front;
  /** On the list, and under no rule. */
  readonly unruled: Front;
  /** Under a rule, with a certificate that nobody trusts. */
  readonly strange: Front;
  /** Under a rule; goes on in another protocol where it is asked to. */
  readonly chatUrl: string;
  /** Trusted by our nodes, PEM. */
  readonly originsCa: string;
  /** Of the agent's own making, PEM. */
  readonly agentsCa: string;
}

const setup = shared<Setup>(test, async () => {
  const stack: AsyncDisposable[] = [];
  const held = async <T extends AsyncDisposable>(starting: Promise<T>): Promise<T> => {
    const value = await starting;
    stack.unshift(value);
    return value;
  };
  const dir = await held(tempDir());
  const authority = await held(createAuthority());
  const stranger = await held(createAuthority());
  const origin = await held(startOrigin());
  const start = async (from: typeof authority) =>
    held(startFront(origin.url, { tls: await from.leaf('IP:127.0.0.1') }));
  const [ruled, unruled, strange] = await Promise.all([start(authority), start(authority), start(stranger)]);
  const chat = await held(startChat(await authority.leaf('IP:127.0.0.1')));
  const hosts = [ruled, strange, chat].map(({ url }) => new URL(url).host);
  const settings = { ExtraCA: authority.certFile };
  const pair = await held(
    startPair({
      origins: [ruled.url, unruled.url, strange.url, chat.url],
      // What is often set where certificates are trouble.
      env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
      root: settings,
      agent: {
        ...settings,
        ProxyConfig: {
          Rules: [{ Hosts: hosts, Match: '\\.bin$', Action: 'accelerate' }],
          CertConfig: {
            CertPath: join(dir.path, 'ca.crt'),
            KeyPath: join(dir.path, 'ca.key'),
            GenerateCert: true,
          },
        },
      },
    }),
  );
  return {
    pair,
    dir,
    origin,
    ruled,
    unruled,
    strange,
    chatUrl: chat.url,
    originsCa: await readFile(authority.certFile, 'utf8'),
    agentsCa: await readFile(join(dir.path, 'ca.crt'), 'utf8'),
    async [Symbol.asyncDispose]() {
      for (const each of stack) await each[Symbol.asyncDispose]();
    },
  };
});

/** A server that switches protocols, and then says back what it hears. */
async function startChat(leaf: Leaf) {
  const server = createServer(leaf).on('upgrade', (_, socket: Socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What curl gets through the agent, trusting its authority alone. */
async function curl({ pair, dir }: Setup, url: string, ...more: string[]) {
  const proxy = `http://127.0.0.1:${pair.agent.proxyPort}`;
  // A proxy that the environment names must not be gone around for 127.0.0.1.
  const args = ['--silent', '--noproxy', '', '--proxy', proxy, '--cacert', join(dir.path, 'ca.crt')];
  const options = {
    encoding: 'buffer',
    maxBuffer: 2 ** 24,
    signal: AbortSignal.timeout(PATIENCE_MS),
  } as const;
  return (await run('curl', [...args, ...more, url], options)).stdout;
}

need(
  test,
  NAME,
  'curl',
  'openssl',
)('curl has the right bytes, the second time without the origin', async () => {
  const all = await setup();
  const { pathname } = new URL(all.origin.put('/a.bin', BYTES, FRESH));
  const url = `${all.ruled.url}${pathname}`;
  assert.is(sha256(await curl(all, url)), sha256(BYTES));
  all.ruled.forget();
  assert.is(sha256(await curl(all, url)), sha256(BYTES));
  assert.is(sha256(await curl(all, url, '--range', '5-99')), sha256(BYTES.subarray(5, 100)));
  assert.is(all.ruled.hits.length, 0);
});

need(
  test,
  NAME,
  'curl',
  'openssl',
)('what no rule accelerates passes through, uploads too', async () => {
  const all = await setup();
  all.origin.route('/upload', (request, response) => {
    request.pipe(response.writeHead(201, { 'x-seen': request.headers.host ?? '' }));
  });
  const reply = await curl(all, `${all.ruled.url}/upload`, '--include', '--data', 'hello');
  assert.match(reply.toString(), /^HTTP\/1\.1 201 Created\r\n/m);
  assert.match(reply.toString(), /\r\n\r\nhello$/);
});

need(
  test,
  NAME,
  'openssl',
)('clients see the certificate of a host under no rule itself', async () => {
  const { pair, ruled, unruled, originsCa, agentsCa } = await setup();
  for (const [{ port }, ca, issuer] of [
    [unruled, originsCa, /^dadip2p test ca$/],
    [ruled, agentsCa, /^DadiP2P CA [0-9a-f]{16}$/],
  ] as const) {
    const socket = await openTls(pair.agent.proxyPort, `127.0.0.1:${port}`, { ca });
    assert.ok(socket.authorized);
    assert.match(String(socket.getPeerCertificate().issuer.CN), issuer);
    socket.destroy();
  }
});

need(
  test,
  NAME,
  'curl',
  'openssl',
)(
  'an origin with a certificate of nobody we trust is never read, whatever the environment says',
  async () => {
    const all = await setup();
    for (const path of ['/a.bin', '/passed']) {
      all.origin.put(path, BYTES, FRESH);
      const reply = (await curl(all, `${all.strange.url}${path}`, '--include')).toString('latin1');
      assert.match(reply, /^HTTP\/1\.1 502 /m);
      assert.match(reply, 'no authority that is trusted here has signed its certificate');
      assert.match(reply, 'ExtraCA');
      assert.ok(reply.length < 2000, `${reply.length} bytes came`);
    }
    assert.is(all.strange.hits.length, 0);
    // What an agent logs comes through a pipe, and may come after its reply.
    const logged = () => all.pair.agent.logs('request_failed').map(({ url }) => url);
    await until('both in the log', () => logged().length >= 2);
    assert.equal(logged(), [`${all.strange.url}/a.bin`, `${all.strange.url}/passed`]);
  },
);

need(
  test,
  NAME,
  'openssl',
)('WebSocket works inside, both ways, to the end', async () => {
  const { pair, chatUrl, agentsCa } = await setup();
  const { host } = new URL(chatUrl);
  const socket = await openTls(pair.agent.proxyPort, host, { ca: agentsCa });
  const head = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13';
  socket.write(`GET /chat HTTP/1.1\r\nHost: ${host}\r\n${head}\r\n\r\n`);
  let received = '';
  socket.on('data', (piece) => {
    received += piece;
  });
  const arrived = (text: string) => until(text, () => received.endsWith(text));
  await arrived('\r\n\r\n');
  assert.match(received, /^HTTP\/1\.1 101 /);
  for (const text of ['hello', 'again']) {
    socket.write(text);
    await arrived(text);
  }
  const closed = once(socket, 'close');
  socket.end();
  await closed;
});

// Last: it ends the agent.
need(
  test,
  NAME,
  'openssl',
)('SIGTERM lets an intercepted transfer finish, and closes idle connections', async () => {
  const { pair, origin, ruled, agentsCa } = await setup();
  let finish = () => {};
  origin.route('/slow', (_, response) => {
    response.writeHead(200, { 'content-length': 8 });
    response.write('half');
    finish = () => void response.end('half');
  });
  const target = `127.0.0.1:${ruled.port}`;
  const open = () => openTls(pair.agent.proxyPort, target, { ca: agentsCa });
  const ask = (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${target}\r\n\r\n`;
  const idle = await open();
  idle.write(ask('/none'));
  await once(idle, 'data');
  const busy = await open();
  busy.write(ask('/slow'));
  let received = '';
  busy.on('data', (piece) => {
    received += piece;
  });
  while (!received.includes('half')) await once(busy, 'data');
  const closed = once(idle.resume(), 'close');
  const ended = pair.agent.stop();
  await closed;
  finish();
  assert.is(await ended, 0);
  assert.match(received, /halfhalf$/);
});

test.run();
