import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Source, Upstream } from '../../../functions/blob/upstream.ts';
import { HttpClient } from '../../../functions/service/http-client.ts';
import { startP2P } from '../../support/app.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { get } from '../../support/client.ts';
import type { Fault } from '../../support/fault.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';

const test = suite('functions/service/relay');

const BYTES = blobOf(1000, 'relayed');
const NOT_CACHED = { headers: { 'cache-control': 'no-store' } };

/** A root, played by an origin, before the origin itself. */
function rootFirst(root: Origin, origin: Origin): Upstream & AsyncDisposable {
  const http = new HttpClient({ connectMs: 10_000, firstByteMs: 2_000, idleMs: 2_000, connections: 8 });
  const sourceOf = (kind: Source['kind'], { url }: Origin): Source => ({
    name: kind,
    kind,
    open: ({ method, headers }, signal) => http.request({ url: `${url}/blob`, method, headers }, signal),
  });
  return {
    sources: () => [sourceOf('root', root), sourceOf('origin', origin)],
    [Symbol.asyncDispose]: () => http.close(),
  };
}

async function ask(always: Fault) {
  await using root = await startOrigin({ always });
  await using origin = await startOrigin();
  root.put('/blob', BYTES, NOT_CACHED);
  const url = origin.put('/blob', BYTES, NOT_CACHED);
  await using upstream = rootFirst(root, origin);
  await using node = await startP2P({ upstream });
  // Learns that it may not be cached, then passes it through; or fails at once, when nobody else is to be asked.
  const answer = await get(node.of(url), { headers: { authorization: 'Basic x' } });
  return { answer, asked: origin.hits.length };
}

for (const [status, code] of [
  [413, 'REPLY_TOO_LARGE'],
  [403, 'KEY_REFUSED'],
  [508, 'LOOP_DETECTED'],
  [502, 'UPSTREAM_UNREACHABLE'],
  [503, 'DRAINING'],
] as const) {
  test(`asks the origin when a root itself answers ${status} ${code}`, async () => {
    // What a root said of itself reached the client as what the origin said of the blob.
    const { answer } = await ask({ status, headers: { 'x-p2p-error': code } });
    assert.is(answer.status, 200);
    assert.is(answer.digest, sha256(BYTES));
  });
}

for (const code of ['ORIGIN_NOT_ALLOWED', 'RULE_DENIED'] as const) {
  test(`asks nobody else for what a root answers with ${code}`, async () => {
    const { answer, asked } = await ask({ status: 403, headers: { 'x-p2p-error': code }, body: 'why' });
    assert.is(answer.status, 403);
    assert.is(answer.text, 'why');
    assert.is(answer.headers['x-p2p-error'], code);
    assert.is(asked, 0);
  });
}

for (const status of [401, 404, 412, 429]) {
  test(`passes on the origin's ${status} that a root passes on, and asks nobody else`, async () => {
    const headers = { 'www-authenticate': 'Bearer', 'retry-after': '7' };
    const { answer, asked } = await ask({ status, headers, body: 'said the origin' });
    assert.is(answer.status, status);
    assert.is(answer.text, 'said the origin');
    assert.is(answer.headers['www-authenticate'], 'Bearer');
    assert.is(answer.headers['retry-after'], '7');
    assert.is(answer.headers['x-p2p-error'], undefined);
    assert.is(asked, 0);
  });
}

test.run();
