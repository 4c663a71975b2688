import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { get } from '../../support/client.ts';
import { startOrigin } from '../../support/origin.ts';
import { startProxy } from '../../support/proxy.ts';
import { CHUNK } from '../../support/reader.ts';

const test = suite('sidecar/entry/p2p-port');

const BYTES = blobOf(2 * CHUNK + 3, 'redirected');

test('redirects to the P2P port what a rule accelerates, and it has the bytes', async () => {
  await using origin = await startOrigin();
  await using proxy = await startProxy({ redirect: true });
  const url = origin.put('/x.bin', BYTES);
  for (const method of ['GET', 'HEAD']) {
    const answer = await get(`${url}?a=1`, { ...proxy, method });
    assert.is(answer.status, 307);
    assert.is(answer.size, 0);
    assert.is(answer.headers.location, proxy.node.of(`${url}?a=1`));
  }
  assert.is(origin.hits.length, 0);
  assert.is((await get(proxy.node.of(`${url}?a=1`))).digest, sha256(BYTES));
});

test('serves clients that ask the proxy for the redirect’s goal too', async () => {
  await using origin = await startOrigin();
  await using proxy = await startProxy({ redirect: true });
  const goal = String((await get(origin.put('/x.bin', BYTES), proxy)).headers.location);
  assert.is((await get(goal, proxy)).digest, sha256(BYTES));
  const denied = await get(proxy.node.of(origin.put('/secret', BYTES)), proxy);
  assert.is(denied.headers['x-p2p-error'], 'RULE_DENIED');
});

test('redirects nobody who would leave credentials behind, and nothing that no rule names', async () => {
  await using origin = await startOrigin();
  await using proxy = await startProxy({ redirect: true });
  const url = origin.put('/x.bin', BYTES);
  const headers = { authorization: 'Basic YTpi' };
  assert.is((await get(url, { ...proxy, headers })).digest, sha256(BYTES));
  assert.is((await get(origin.put('/page', BYTES), proxy)).digest, sha256(BYTES));
  assert.is((await get(url, { ...proxy, method: 'POST', body: 'x' })).status, 200);
});

test.run();
