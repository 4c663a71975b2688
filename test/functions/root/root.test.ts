import { request } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KiB } from '../../../functions/blob/chunk.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { get } from '../../support/client.ts';
import { startOrigin } from '../../support/origin.ts';
import { metric, startRoot, through } from '../../support/pair.ts';
import { until } from '../../support/until.ts';

const test = suite('functions/root/root');

test('sends chunks to a few nodes at a time, and in the end to all, however slowly they come', async () => {
  const chunkBytes = 128 * KiB;
  await using origin = await startOrigin({ always: { trickle: { bytes: 32 * KiB, everyMs: 700 } } });
  await using root = await startRoot({ origins: [origin.url], chunkSize: `${chunkBytes / KiB}KiB` });
  const blobs = Array.from({ length: 12 }, (_, n) => blobOf(2 * chunkBytes, `turn ${n}`));
  const headers = {
    range: `bytes=0-${chunkBytes - 1}`,
    'x-p2p-agent': 'http://a.test:1',
    'x-p2p-words': '1',
  };
  const asking = blobs.map((bytes, n) => get(through(root, origin.put(`/${n}`, bytes)), { headers }));
  await until('a reply to wait', async () => (await metric(root, 'p2p_waiting_replies')) > 0);
  for (const [n, answer] of (await Promise.all(asking)).entries())
    assert.is(answer.digest, sha256((blobs[n] as Buffer).subarray(0, chunkBytes)));
  assert.is(await metric(root, 'p2p_waiting_replies'), 0);
});

test('says that it is at work to nodes that hear it, and to no others', async () => {
  await using origin = await startOrigin({ always: { delayMs: 2_500 } });
  await using root = await startRoot({ origins: [origin.url] });
  const url = through(root, origin.put('/slow', blobOf(1_000, 'slow')));
  const wordsFor = (headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      let words = 0;
      request(url, { headers, agent: false }, (response) => {
        response.resume().once('end', () => resolve(words));
      })
        .on('information', ({ statusCode }) => {
          if (statusCode === 102) words += 1;
        })
        .once('error', reject)
        .end();
    });
  const node = { 'x-p2p-agent': 'http://a.test:1' };
  const [heard, ...others] = await Promise.all(
    [{ ...node, 'x-p2p-words': '1' }, node, { 'x-p2p-words': '1' }].map(wordsFor),
  );
  assert.ok((heard ?? 0) >= 1, `${heard}`);
  assert.equal(others, [0, 0]);
});

test.run();
