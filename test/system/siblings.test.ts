import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { download } from '../support/client.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { startOrigin } from '../support/origin.ts';
import { metric, repliesOf, through } from '../support/pair.ts';

const test = suite('system/siblings');

const CHUNK = 64 * 1024;
const CHUNKS = 48;
const blob = blobOf((CHUNKS - 1) * CHUNK + 12_345, 'siblings');
const digest = sha256(blob);
const PATH = `/v2/library/big/blobs/sha256:${digest}`;

const total = async ({ agents }: Cluster, name: string, ...labels: string[]): Promise<number> => {
  const values = await Promise.all(agents.map((agent) => metric(agent, name, ...labels)));
  return values.reduce((sum, value) => sum + value, 0);
};

test('four agents that pull a blob at once have each byte from the origin once, and each chunk from a root once', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: blob } });
  await using cluster = await startCluster({ origins: [origin.url], agents: 4 });
  const before = await repliesOf(cluster.root);
  const answers = await Promise.all(
    cluster.agents.map((agent) => download(through(agent, origin.url + PATH))),
  );
  for (const answer of answers) assert.is(answer.digest, digest);
  assert.is(origin.bytesSent, blob.length);
  assert.is(origin.hits.length, CHUNKS);
  assert.is(await total(cluster, 'p2p_served_bytes_total', 'from="origin"'), 0);
  assert.is(await total(cluster, 'p2p_failures_total'), 0);
  console.log(
    (await repliesOf(cluster.root)) - before,
    (await total(cluster, 'p2p_served_bytes_total', 'from="sibling"')) / blob.length,
    await total(cluster, 'p2p_hedges_total'),
    await total(cluster, 'p2p_redirects_total'),
  );
});

test.run();
