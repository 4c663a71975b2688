import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { download, get } from '../support/client.ts';
import { startOrigin } from '../support/origin.ts';
import { metric, repliesOf, startPair, through } from '../support/pair.ts';
import { until } from '../support/until.ts';

const test = suite('system/once');

const CHUNK = 64 * 1024;
const CHUNKS = 40;
const blob = blobOf((CHUNKS - 1) * CHUNK + 12_345, 'once');
const digest = sha256(blob);
const PATH = `/v2/library/big/blobs/sha256:${digest}`;

/** Waits until the root has counted as many replies; they are counted when they end. */
const rootAnswered = (pair: Parameters<typeof repliesOf>[0], count: number) =>
  until(`${count} replies of the root`, async () => (await repliesOf(pair)) >= count);

/** An agent asks a root once whether it knows plans; one over a folder does not. */
const questions = (path: string): number => (path === PATH ? 1 : 0);

test('a second read asks nobody, neither root nor origin', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: blob, '/plain': blob } });
  await using pair = await startPair({ origins: [origin.url] });
  // A name without a digest is fresh as long as its reply says so.
  origin.put('/plain', blob, { headers: { 'cache-control': 'max-age=600' } });
  for (const path of [PATH, '/plain']) {
    const before = (await repliesOf(pair.root)) + questions(path);
    origin.forget();
    const url = through(pair.agent, origin.url + path);
    const cold = await download(url);
    assert.is(cold.digest, digest, path);
    assert.match(String(cold.headers['cache-status']), /fwd=miss/, path);
    assert.is(origin.bytesSent, blob.length, `${path}: the origin sent each byte once`);
    assert.is(origin.hits.length, CHUNKS, `${path}: one request a chunk`);
    await rootAnswered(pair.root, before + CHUNKS);

    origin.forget();
    const asked = await repliesOf(pair.root);
    assert.is(asked, before + CHUNKS, path);
    const warm = await download(url);
    assert.is(warm.digest, digest, path);
    assert.match(String(warm.headers['cache-status']), /; hit$/, path);
    assert.is((await get(url, { method: 'HEAD' })).headers['content-length'], String(blob.length));
    const part = await get(url, { headers: { range: 'bytes=1000-199999' } });
    assert.is(part.digest, sha256(blob.subarray(1000, 200_000)));
    assert.is(origin.hits.length, 0, path);
    assert.is(await repliesOf(pair.root), asked, path);
  }
});

test('fifty clients at once on a cold blob cost the origin each byte once, and no request more than chunks', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: blob, '/plain': blob } });
  await using pair = await startPair({ origins: [origin.url] });
  for (const path of [PATH, '/plain']) {
    const before = (await repliesOf(pair.root)) + questions(path);
    origin.forget();
    const url = through(pair.agent, origin.url + path);
    const answers = await Promise.all(Array.from({ length: 50 }, () => download(url)));
    for (const answer of answers) {
      assert.is(answer.status, 200);
      assert.is(answer.complete, true);
      assert.is(answer.digest, digest);
    }
    assert.is(origin.bytesSent, blob.length, path);
    assert.ok(origin.hits.length <= CHUNKS, `${path}: ${origin.hits.length} requests for ${CHUNKS} chunks`);
    await rootAnswered(pair.root, before + CHUNKS);
    assert.is(await repliesOf(pair.root), before + CHUNKS, path);
  }
});

test('three agents below one root cost the origin each byte once', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: blob } });
  await using pair = await startPair({ origins: [origin.url] }, 3);
  const answers = await Promise.all(
    pair.agents.flatMap((agent) =>
      Array.from({ length: 10 }, () => download(through(agent, origin.url + PATH))),
    ),
  );
  for (const answer of answers) assert.is(answer.digest, digest);
  assert.is(answers.length, 30);
  assert.is(origin.bytesSent, blob.length);
  assert.ok(origin.hits.length <= CHUNKS, `${origin.hits.length} requests for ${CHUNKS} chunks`);
  for (const agent of pair.agents) {
    assert.is(await metric(agent, 'p2p_served_bytes_total', 'from="origin"'), 0, 'no agent asked the origin');
  }
});

test.run();
