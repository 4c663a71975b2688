import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { get } from '../../support/client.ts';
import { startOrigin } from '../../support/origin.ts';
import { startProxy } from '../../support/proxy.ts';
import { CHUNK } from '../../support/reader.ts';
import { dial, startWire } from '../../support/wire.ts';

const test = suite('sidecar/entry/reverse');

const BYTES = blobOf(2 * CHUNK + 3, 'reverse');
const route = (part: { Host?: string; Path?: string; StripPath?: boolean }, Origin: string) => ({
  StripPath: true,
  ...part,
  Origin,
});

test('stands in for the origin of a host, and accelerates what a rule names', async () => {
  await using origin = await startOrigin();
  await using proxy = await startProxy({ reverse: [route({ Host: 'files.local' }, origin.url)] });
  origin.put('/a/x.bin', BYTES);
  origin.put('/healthz', Buffer.from('the origin’s own'));
  const headers = { host: `Files.local:${proxy.port}` };
  for (const status of ['dadip2p; fwd=miss', 'dadip2p; hit']) {
    const answer = await get(`${proxy.url}/a/x.bin`, { headers });
    assert.is(answer.digest, sha256(BYTES));
    assert.is(answer.headers['cache-status'], status);
    await proxy.node.kit.reader.settled();
  }
  assert.is((await get(`${proxy.url}/healthz`, { headers })).text, 'the origin’s own');
  assert.match((await get(`${proxy.url}/healthz`)).text, /ok/i);
});

test('takes the longest path, with or without it', async () => {
  await using one = await startOrigin();
  await using other = await startOrigin();
  await using proxy = await startProxy({
    reverse: [
      route({ Path: '/hf/' }, `${one.url}/base`),
      route({ Path: '/hf/kept/', StripPath: false }, other.url),
    ],
  });
  one.put('/base/a%2Fb', BYTES);
  other.put('/hf/kept/c', BYTES);
  assert.is((await get(`${proxy.url}/hf/a%2Fb?q=1`)).digest, sha256(BYTES));
  assert.is(one.hits[0]?.url, '/base/a%2Fb?q=1');
  assert.is((await get(`${proxy.url}/hf/kept/c`)).digest, sha256(BYTES));
  assert.is((await get(`${proxy.url}/hf`)).status, 400, 'not below the path');
  assert.is((await get(`${proxy.url}/other`)).status, 400);
});

test('tells the origin who asks, and by which name', async () => {
  await using origin = await startOrigin();
  await using proxy = await startProxy({ reverse: [route({ Path: '/hf/' }, origin.url)] });
  origin.put('/page', BYTES);
  await get(`${proxy.url}/hf/page`, {
    headers: { host: 'hub.test:80', 'x-forwarded-for': '10.1.1.1', 'x-forwarded-proto': 'https' },
  });
  const headers = origin.hits[0]?.headers ?? {};
  assert.is(headers.host, `127.0.0.1:${origin.port}`);
  assert.is(headers['x-forwarded-for'], '10.1.1.1, 127.0.0.1');
  assert.is(headers['x-forwarded-host'], 'hub.test:80');
  assert.is(headers['x-forwarded-proto'], 'http', 'what the client says of it is not believed');
  assert.is(headers['x-forwarded-prefix'], '/hf');
});

const PLACES = [
  ['ORIGIN/base/x?y#z', 'http://hub.test/hf/x?y#z'],
  ['/base/x', '/hf/x'],
  ['/base', '/hf'],
  ['x/y', 'x/y'],
  ['?page=2', '?page=2'],
  ['/other/x', '/other/x'],
  ['http://elsewhere.test/base/x', 'http://elsewhere.test/base/x'],
  ['http://elsewhere.test:99999/', 'http://elsewhere.test:99999/'],
] as const;

for (const [said, heard] of PLACES) {
  test(`makes Location ${said} ${heard}`, async () => {
    await using origin = await startOrigin();
    await using proxy = await startProxy({ reverse: [route({ Path: '/hf/' }, `${origin.url}/base`)] });
    origin.route('/base/from', (_, response) => {
      response.writeHead(302, { location: said.replace('ORIGIN', origin.url) }).end();
    });
    const answer = await get(`${proxy.url}/hf/from`, { headers: { host: 'hub.test' } });
    assert.is(answer.status, 302);
    assert.is(answer.headers.location, heard);
  });
}

test('makes cookies fit the name and the path that clients know', async () => {
  await using origin = await startWire();
  await using proxy = await startProxy({ reverse: [route({ Path: '/hf/' }, `${origin.url}/base/`)] });
  await using client = dial(proxy.port, 'GET /hf/ HTTP/1.1\r\nHost: hub.test\r\nConnection: close\r\n\r\n');
  const wire = await origin.accept();
  assert.match(await wire.hear(/\r\n\r\n/), /^GET \/base\/ /);
  wire.say(
    [
      'HTTP/1.1 204 No Content',
      'Set-Cookie: a=1=2; Path=/base/x; HttpOnly; Domain=127.0.0.1',
      'Set-Cookie: b=2; path=/; domain=other.test',
      'Set-Cookie: c=3',
      '',
      '',
    ].join('\r\n'),
  );
  const cookies = (await client.rest()).split('\r\n').filter((line) => /^set-cookie/i.test(line));
  assert.equal(cookies, [
    'Set-Cookie: a=1=2; Path=/hf/x; HttpOnly',
    'Set-Cookie: b=2; path=/; domain=other.test',
    'Set-Cookie: c=3',
  ]);
});

test('switches protocols for clients of a route too', async () => {
  await using origin = await startWire();
  await using proxy = await startProxy({ reverse: [route({ Host: 'chat.local' }, origin.url)] });
  await using client = dial(
    proxy.port,
    'GET /ws HTTP/1.1\r\nHost: chat.local\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  );
  const wire = await origin.accept();
  await wire.hear(/^GET \/ws HTTP\/1\.1\r\n.*\r\n\r\n/s);
  wire.say('HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello');
  await client.hear(/hello$/);
});

test('leads nobody above the path of its origin', async () => {
  await using origin = await startOrigin();
  await using proxy = await startProxy({ reverse: [route({ Path: '/hf/' }, `${origin.url}/base`)] });
  for (const path of ['/hf/../x', '/hf/%2e%2e/x', '/hf/a/..%2f..%2fx', '/hf/..\\x', '/hf/..', '/hf/%00']) {
    assert.is((await get(proxy.url, { target: path })).headers['x-p2p-error'], 'ADDRESS_INVALID', path);
  }
  assert.is(origin.connections, 0);
});

test.run();
