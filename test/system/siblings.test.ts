import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { audienceOf, TOKEN_HEADER } from '../../functions/protocol/token.ts';
import { ClusterKeys } from '../../functions/service/cluster-keys.ts';
import { NodeTokens } from '../../functions/service/node-tokens.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { type Answer, download, get } from '../support/client.ts';
import { CLUSTER_SECRET, type Cluster, startCluster } from '../support/cluster.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { metric, repliesOf, through } from '../support/pair.ts';
import { until } from '../support/until.ts';

const test = suite('system/siblings');

const CHUNK = 64 * 1024;
const CHUNKS = 48;
const blob = blobOf((CHUNKS - 1) * CHUNK + 12_345, 'siblings');
const digest = sha256(blob);
const keys = ClusterKeys.of([CLUSTER_SECRET]) as ClusterKeys;
const PATH = `/v2/library/big/blobs/sha256:${digest}`;

const total = async ({ agents }: Cluster, name: string, ...labels: string[]): Promise<number> => {
  const values = await Promise.all(agents.map((agent) => metric(agent, name, ...labels)));
  return values.reduce((sum, value) => sum + value, 0);
};

/** Every agent pulls the blob at once. */
const pullAll = ({ agents }: Cluster, origin: Origin): Promise<Answer[]> =>
  Promise.all(agents.map((agent) => download(through(agent, origin.url + PATH))));

test('four agents that pull a blob at once have each byte from the origin once, and each chunk from a root once', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: blob } });
  await using cluster = await startCluster({ origins: [origin.url], agents: 4 });
  for (const answer of await pullAll(cluster, origin)) assert.is(answer.digest, digest);
  assert.is(origin.bytesSent, blob.length);
  assert.is(origin.hits.length, CHUNKS);
  assert.is(await total(cluster, 'p2p_served_bytes_total', 'from="origin"'), 0);
  assert.is(await total(cluster, 'p2p_blamed_total'), 0);
  // Beside the chunks, each agent asks once whether the root knows plans; and on a busy machine one may seem slow.
  const replies = await repliesOf(cluster.root);
  const hedges = await total(cluster, 'p2p_hedges_total');
  assert.ok(replies <= CHUNKS + 4 + hedges, `${replies} replies of the root, ${hedges} hedges`);
});

const CLOCK = fileURLToPath(new URL('../lab/faults/clock.mjs', import.meta.url));

test('a sibling whose clock is an hour off shares as the others do', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: blob } });
  const firstEnv = { CLOCK_AHEAD_MS: '3600000', NODE_OPTIONS: `--import ${CLOCK}` };
  await using cluster = await startCluster({ origins: [origin.url], agents: 2, firstEnv });
  for (const agent of cluster.agents) {
    assert.is((await download(through(agent, origin.url + PATH))).digest, digest);
    assert.is(await metric(agent, 'p2p_served_bytes_total', 'from="origin"'), 0);
    assert.ok((await metric(agent, 'p2p_served_bytes_total', 'from="sibling"')) > 0);
  }
  assert.is(origin.bytesSent, blob.length);
});

test('an agent that comes late has all of it from the others, and the roots send nothing', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: blob } });
  await using cluster = await startCluster({
    origins: [origin.url],
    agents: 3,
    agent: { P2PConfig: { Fanout: 1 } },
  });
  const [first, second, third] = cluster.agents;
  for (const agent of [first, second]) {
    assert.is((await download(through(agent as typeof cluster.root, origin.url + PATH))).digest, digest);
  }
  const before = await repliesOf(cluster.root);
  assert.is((await download(through(third as typeof cluster.root, origin.url + PATH))).digest, digest);
  assert.ok((await repliesOf(cluster.root)) - before <= 1);
  // Each owner has given each chunk to one already, and sends others there.
  assert.ok((await metric(third as typeof cluster.root, 'p2p_redirects_total', 'direction="followed"')) > 0);
});

for (const [what, signal] of [
  ['is killed', 'SIGKILL'],
  ['hangs', 'SIGSTOP'],
] as const) {
  test(`clients notice nothing when a sibling ${what} in the middle of a pull`, async () => {
    await using origin = await startOrigin({ blobs: { [PATH]: blob }, bitsPerSecond: 100e6 });
    await using cluster = await startCluster({ origins: [origin.url], agents: 4 });
    const [victim, ...others] = cluster.agents as [Cluster['root'], ...Cluster['root'][]];
    const { workerPid, pid } = victim;
    if (signal === 'SIGSTOP') process.kill(pid, signal);
    let isBegun = false;
    const onPiece = () => {
      if (!isBegun) process.kill(workerPid, signal);
      isBegun = true;
    };
    const pulls = others.map((agent) => download(through(agent, origin.url + PATH), { onPiece }));
    const answers = await Promise.all(pulls);
    if (signal === 'SIGSTOP') for (const id of [workerPid, pid]) process.kill(id, 'SIGCONT');
    for (const answer of answers) assert.is(answer.digest, digest);
    assert.is(await total({ ...cluster, agents: others }, 'p2p_served_bytes_total', 'from="origin"'), 0);
  });
}

test('an agent that is told to stop ends what it serves, and sends siblings that ask meanwhile on to others', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: blob } });
  await using cluster = await startCluster({ origins: [origin.url], agents: 3 });
  const [leaving, other] = cluster.agents as [Cluster['root'], Cluster['root'], Cluster['root']];
  const tokens = new NodeTokens({ keys, self: other.url, now: Date.now });
  const asSibling = (range: string) =>
    get(through(leaving, origin.url + PATH), {
      headers: {
        range,
        'x-p2p-agent': other.url,
        [TOKEN_HEADER]: tokens.issue(audienceOf(leaving.url), 'read'),
      },
    });
  assert.is((await asSibling(`bytes=0-${CHUNK - 1}`)).status, 206);
  let goOn: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let isBegun = false;
  const pull = download(through(leaving, origin.url + PATH), {
    onPiece: () => {
      isBegun = true;
      return held;
    },
  });
  await until('the pull to have begun', () => isBegun);
  const stopped = leaving.stop();
  const sentOn = await until('a sibling to be sent on', async () => {
    const answer = await asSibling(`bytes=0-${CHUNK - 1}`);
    return answer.status === 307 ? answer : undefined;
  });
  const location = new URL(String(sentOn.headers.location));
  const others = cluster.agents.filter((agent) => agent !== leaving).map(({ url }) => url);
  assert.ok([...others, cluster.root.url].includes(location.origin), location.href);
  assert.is.not(location.origin, other.url);
  goOn();
  assert.is((await pull).digest, digest);
  assert.is(await stopped, 0);
});

test.run();
