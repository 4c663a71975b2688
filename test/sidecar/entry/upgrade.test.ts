import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startOrigin } from '../../support/origin.ts';
import { startProxy } from '../../support/proxy.ts';
import { until } from '../../support/until.ts';
import { dial, startWire } from '../../support/wire.ts';

const test = suite('sidecar/entry/upgrade');

const ask = (url: string, protocol: string, method = 'GET', ...lines: string[]) =>
  [
    `${method} ${url} HTTP/1.1`,
    `Host: ${new URL(url).host}`,
    `Upgrade: ${protocol}`,
    ...lines,
    'Connection: keep-alive, Upgrade',
    '',
    '',
  ].join('\r\n');

test('gives client and origin each other’s connection once the origin has switched', async () => {
  await using origin = await startWire();
  await using proxy = await startProxy();
  await using client = dial(
    proxy.port,
    ask(`${origin.url}/chat`, 'websocket', 'GET', 'Sec-WebSocket-Key: k'),
  );
  // Some clients do not wait.
  client.say('early');
  const wire = await origin.accept();
  const asked = await wire.hear(/\r\n\r\n/);
  assert.match(asked, /^GET \/chat HTTP\/1\.1\r\n/);
  assert.match(asked, /\r\nSec-WebSocket-Key: k\r\n/);
  assert.match(asked, /\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n/);
  wire.say(
    'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: a\r\n\r\nhello',
  );
  const answered = await client.hear(/hello$/);
  assert.match(answered, /^HTTP\/1\.1 101 Switching\r\n/);
  assert.match(answered, /\r\nSec-WebSocket-Accept: a\r\n/);
  assert.match(answered, /\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello$/);
  await wire.hear(/early$/);
  client.say('\x81\x02hi');
  await wire.hear(/early\x81\x02hi$/);
  wire.say('\x81\x02yo');
  await client.hear(/\x81\x02yo$/);
  client.socket.end();
  await wire.rest();
});

test('carries the origin’s refusal to switch, and closes', async () => {
  await using origin = await startWire();
  await using proxy = await startProxy();
  await using client = dial(proxy.port, ask(`${origin.url}/chat`, 'websocket'));
  const wire = await origin.accept();
  await wire.hear(/\r\n\r\n/);
  wire.say('HTTP/1.1 426 Other\r\nContent-Length: 4\r\n\r\nno\r\n');
  const answered = await client.rest();
  assert.match(answered, /^HTTP\/1\.1 426 Other\r\n/);
  assert.match(answered, /\r\nConnection: close\r\n\r\nno\r\n$/);
});

for (const protocol of ['websocket', 'h2c']) {
  test(`takes a pipelined request for ${protocol} in its turn`, async () => {
    // Broke: the process ended, for the connection still had a reply on it.
    await using origin = await startWire();
    await using proxy = await startProxy();
    const slow = `GET ${origin.url}/slow HTTP/1.1\r\nHost: 127.0.0.1:${origin.port}\r\n\r\n`;
    await using client = dial(proxy.port, slow + ask(`${origin.url}/chat`, protocol));
    const wire = await origin.accept();
    await wire.hear(/\r\n\r\n/);
    wire.say('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');
    const other = await origin.accept();
    await other.hear(/^GET \/chat HTTP\/1\.1\r\n[\s\S]*\r\n\r\n/);
    other.say('HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno!');
    assert.match(await client.hear(/no!$/), /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nokHTTP\/1\.1 403 No\r\n/);
  });

  test(`drops a pipelined request for ${protocol} with the connection that the reply before it closes`, async () => {
    await using origin = await startWire();
    await using proxy = await startProxy();
    const last = `GET ${origin.url}/ HTTP/1.0\r\nHost: 127.0.0.1:${origin.port}\r\nConnection: keep-alive\r\n\r\n`;
    await using client = dial(proxy.port, last + ask(`${origin.url}/chat`, protocol));
    const wire = await origin.accept();
    await wire.hear(/\r\n\r\n/);
    // Without a length, to a client of HTTP/1.0 the end of the connection is that of the body.
    wire.say('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n');
    assert.match(await client.rest(), /\r\n\r\nok$/);
    assert.is(origin.wires.length, 1);
  });
}

test('lets go of a client that was refused, whatever it has sent meanwhile, and whether it hangs up or not', async () => {
  // Broke: what nobody read hid the end of the connection, which was held for ever.
  await using origin = await startWire();
  await using proxy = await startProxy();
  const open = () => new Promise<number>((resolve) => proxy.server.getConnections((_, n) => resolve(n)));
  for (const hangsUp of [true, false]) {
    await using client = dial(proxy.port, `${ask(`${origin.url}/chat`, 'websocket')}early`);
    const wire = await origin.accept();
    await wire.hear(/\r\n\r\n/);
    wire.say('HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno!');
    await client.hear(/no!$/);
    if (hangsUp) client.socket.end();
    await until('the connection to be closed', async () => (await open()) === 0);
  }
});

test('stops the origin when the client leaves before the switch', async () => {
  await using origin = await startWire();
  await using proxy = await startProxy();
  await using client = dial(proxy.port, ask(`${origin.url}/chat`, 'websocket'));
  const wire = await origin.accept();
  await wire.hear(/\r\n\r\n/);
  client.socket.end();
  await wire.rest();
});

test('breaks the client when the origin breaks after the switch', async () => {
  await using origin = await startWire();
  await using proxy = await startProxy();
  await using client = dial(proxy.port, ask(`${origin.url}/chat`, 'websocket'));
  const wire = await origin.accept();
  await wire.hear(/\r\n\r\n/);
  wire.say('HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  await client.hear(/\r\n\r\n/);
  const broken = once(client.socket, 'error');
  wire.socket.resetAndDestroy();
  assert.is(((await broken)[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
});

test('denies an upgrade that a rule denies, and leads it nowhere that is private', async () => {
  await using origin = await startOrigin();
  await using proxy = await startProxy({ origins: ['*'] });
  for (const [url, code] of [
    [`${origin.url}/secret`, 'RULE_DENIED'],
    [`${origin.url}/x`, 'ORIGIN_NOT_ALLOWED'],
  ] as const) {
    await using client = dial(proxy.port, ask(url, 'websocket'));
    assert.match(await client.rest(), new RegExp(`^HTTP/1\\.1 403 [^]*x-p2p-error: ${code}`, 'i'));
  }
  assert.is(origin.connections, 0);
});

for (const protocol of ['h2c', 'TLS/1.0', 'HTTP/2.0', 'websocket, h2c']) {
  test(`goes on in HTTP/1.1 with a client that asks for ${protocol}`, async () => {
    await using origin = await startOrigin();
    await using proxy = await startProxy();
    const url = origin.route('/page', (request, response) => {
      request.setEncoding('utf8').once('end', () => response.end(`said ${request.headers.upgrade}`));
      request.resume();
    });
    await using client = dial(
      proxy.port,
      `${ask(url, protocol, 'POST', 'HTTP2-Settings: AAMAAABk', 'Content-Length: 4')}body`,
    );
    await client.hear(/said undefined/);
    const { connection, 'http2-settings': settings } = origin.hits[0]?.headers ?? {};
    assert.not.match(String(connection), /upgrade/i);
    assert.is(settings, undefined);
    // The connection is as any other.
    client.say(`GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nConnection: close\r\n\r\n`);
    await client.rest();
    assert.is(origin.hits.length, 2);
  });
}

test.run();
