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
  const blobs = Array.from({ length: 6 }, (_, n) => blobOf(2 * chunkBytes, `turn ${n}`));
  const headers = {
    range: `bytes=0-${chunkBytes - 1}`,
    'x-p2p-agent': 'http://a.test:1',
    'user-agent': 'dadip2p',
  };
  const asking = blobs.map((bytes, n) => get(through(root, origin.put(`/${n}`, bytes)), { headers }));
  await until('a reply to wait', async () => (await metric(root, 'p2p_waiting_replies')) > 0);
  for (const [n, answer] of (await Promise.all(asking)).entries())
    assert.is(answer.digest, sha256((blobs[n] as Buffer).subarray(0, chunkBytes)));
  assert.is(await metric(root, 'p2p_waiting_replies'), 0);
});

test.run();
