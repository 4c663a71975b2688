import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startP2P } from '../../support/app.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { get } from '../../support/client.ts';
import { startOrigin } from '../../support/origin.ts';
import { CHUNK } from '../../support/reader.ts';

const test = suite('functions/service/p2p-app');

const BYTES = blobOf(CHUNK + 5, 'app');

test('serves /<APIKey>/<origin URL> with its query and its double slash untouched', async () => {
  await using origin = await startOrigin();
  await using node = await startP2P();
  const url = origin.put('/a//b%2Fc', BYTES);
  for (const target of [`/dadip2p/${url}?x=1&y=%20`, `/dadip2p/${url.replace('//', '/')}?x=1&y=%20`]) {
    const answer = await get(node.url, { target });
    assert.is(answer.status, 200, target);
    assert.is(answer.digest, sha256(BYTES));
  }
  for (const hit of origin.hits) assert.is(hit.url, '/a//b%2Fc?x=1&y=%20');
});

for (const [target, status, code] of [
  // DadiP2P cut the path at a length that it had not checked, and went down over these.
  ['/', 403, 'KEY_REFUSED'],
  ['//', 403, 'KEY_REFUSED'],
  ['/d', 403, 'KEY_REFUSED'],
  ['/dadip2p', 403, 'KEY_REFUSED'],
  ['/dadip2p/', 400, 'ADDRESS_INVALID'],
  ['/dadip2p/x', 400, 'ADDRESS_INVALID'],
  ['/dadip2p/http:', 400, 'ADDRESS_INVALID'],
  ['/dadip2p/http://', 400, 'ADDRESS_INVALID'],
  ['/dadip2p/ftp://a.test/x', 400, 'ADDRESS_INVALID'],
  ['/dadip2p/http://u:p@127.0.0.1/x', 400, 'ADDRESS_INVALID'],
  ['/dadip2p/%ff', 400, 'ADDRESS_INVALID'],
  ['/%zz', 403, 'KEY_REFUSED'],
  ['/other/http://a.test/x', 403, 'KEY_REFUSED'],
  ['/DADIP2P/http://a.test/x', 403, 'KEY_REFUSED'],
  ['*', 403, 'KEY_REFUSED'],
  ['http://127.0.0.1/dadip2p/x', 403, 'KEY_REFUSED'],
  ['/dadip2p/http://10.0.0.1/x', 403, 'ORIGIN_NOT_ALLOWED'],
  ['/dadip2p/http://a.test/x', 403, 'ORIGIN_NOT_ALLOWED'],
  ['/healthz/', 403, 'KEY_REFUSED'],
] as const) {
  test(`answers ${status} ${code} to ${target}, and lives on`, async () => {
    await using node = await startP2P();
    const answer = await get(node.url, { target });
    assert.is(answer.status, status);
    assert.is(answer.headers['x-p2p-error'], code);
    assert.is((await get(`${node.url}/healthz`)).status, 200);
  });
}

test('breaks a circle of nodes', async () => {
  await using origin = await startOrigin();
  await using node = await startP2P();
  const url = node.of(origin.put('/blob', BYTES));
  for (const chain of [node.self, `http://a http://b ${node.self}`, `${node.self}, http://c`]) {
    const answer = await get(url, { headers: { 'x-p2p-agent': chain } });
    assert.is(answer.status, 508);
    assert.is(answer.headers['x-p2p-error'], 'LOOP_DETECTED');
  }
  assert.is(origin.hits.length, 0);
  const names = Array.from({ length: 8 }, (_, n) => `http://n${n}`).join(' ');
  assert.is((await get(url, { headers: { 'x-p2p-agent': names } })).status, 508);
});

test('never sends anyone to a place that a request has named', async () => {
  // DadiP2P kept the X-P2P-Agent that a client had made up, and redirected others there.
  await using origin = await startOrigin();
  await using node = await startP2P();
  const url = node.of(origin.put('/blob', BYTES));
  for (let round = 0; round < 20; round += 1) {
    const answer = await get(url, { headers: { 'x-p2p-agent': `http://evil${round}.test` } });
    assert.is(answer.status, 200);
    assert.is(answer.headers.location, undefined);
    assert.not.match(JSON.stringify(answer.headers), 'evil');
  }
});

test('says whether it lives and whether it takes work', async () => {
  await using node = await startP2P();
  assert.is((await get(`${node.url}/healthz`)).status, 200);
  assert.is((await get(`${node.url}/readyz`)).status, 200);
  node.readiness.drain();
  const draining = await get(`${node.url}/readyz`);
  assert.is(draining.status, 503);
  assert.equal(JSON.parse(draining.text), { status: 'draining' });
  assert.is((await get(`${node.url}/healthz`)).status, 200);
});

test('counts replies by status', async () => {
  await using origin = await startOrigin();
  await using node = await startP2P();
  await get(node.of(origin.put('/blob', BYTES)));
  await get(`${node.url}/nonsense`);
  const { text } = await node.metrics.render();
  assert.match(text, 'p2p_replies_total{way="p2p",status="200"} 1');
  assert.match(text, 'p2p_replies_total{way="p2p",status="403"} 1');
});

test('tells its log nothing of a query or a credential', async () => {
  await using origin = await startOrigin({ always: { status: 500 } });
  await using node = await startP2P({ limits: { firstByteMs: 300 } });
  const url = `${origin.put('/blob', BYTES)}?X-Amz-Signature=hunter2&token=hunter2`;
  await get(node.of(url), { headers: { authorization: 'Bearer hunter2' } });
  await get(node.of(`${origin.url}/gone?sig=hunter2`));
  origin.always = { redirect: 'http://10.0.0.1/?sig=hunter2' };
  const answer = await get(node.of(url.replace('X-Amz-Signature', 'x').replace('token', 'y')));
  assert.not.match(answer.text, 'hunter2');
  assert.ok(node.lines.length > 0);
  // The `url` field is redacted by the real log's serializer: see log.test.ts.
  assert.not.match(JSON.stringify(node.lines.map(({ url: _, cause: __, ...others }) => others)), 'hunter2');
});

test.run();
