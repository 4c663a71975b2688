import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { listen } from '../support/app.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { startDadiP2P } from '../support/dadip2p.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { repliesOf, startAgent, startRoot, through } from '../support/pair.ts';
import { digestPath } from '../support/reader.ts';

const test = suite('system/dadip2p');

// A block of DadiP2P is a mebibyte.
const BYTES = blobOf(2 * 1024 * 1024 + 7, 'dadip2p');
const PATH = digestPath(sha256(BYTES));
const HERE = { P2PConfig: { NodeIP: '127.0.0.1' } };

/** Bytes that were asked for beyond the first of a blob, by which DadiP2P learns its size. */
const bulkOf = ({ hits }: Origin): number =>
  hits.reduce((sum, { bytes }) => sum + (bytes === 1 ? 0 : bytes), 0);

test('the stand-in makes the tree that DadiP2P makes: two children, and the third below one of them', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: BYTES } });
  await using root = await startDadiP2P();
  await using first = await startDadiP2P({ roots: [root.url] });
  await using second = await startDadiP2P({ roots: [root.url] });
  await using third = await startDadiP2P({ roots: [root.url] });
  for (const agent of [first, second, third]) {
    assert.is((await get(agent.of(origin.url + PATH))).digest, sha256(BYTES));
  }
  assert.equal([...new Set(root.hits.map(({ status }) => status))].sort(), [206, 307]);
  assert.ok([...first.hits, ...second.hits].some(({ agents }) => agents.includes(third.url)));
  assert.ok(root.hits.every(({ target }) => target.endsWith('?')));
});

test('agents of DadiP2P have every byte by way of our root, which reads it once', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: BYTES } });
  await using root = await startRoot({ origins: [origin.url], root: HERE });
  await using first = await startDadiP2P({ roots: [root.url] });
  await using second = await startDadiP2P({ roots: [root.url] });
  await using third = await startDadiP2P({ roots: [root.url] });
  for (const agent of [first, second, third]) {
    const answer = await get(agent.of(origin.url + PATH));
    assert.is(answer.status, 200);
    assert.is(answer.digest, sha256(BYTES));
  }
  assert.is(bulkOf(origin), BYTES.length);
  assert.ok((await repliesOf(root)) >= 9);
  for (const { headers } of origin.hits) assert.is(headers['x-p2p-agent'], undefined);
});

test('an agent of DadiP2P has every byte by way of our agent, in ranges too, and refusals as they are', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: BYTES } });
  await using agent = await startAgent({ origins: [origin.url], agent: HERE }, []);
  await using below = await startDadiP2P({ roots: [agent.url] });
  assert.is((await get(below.of(origin.url + PATH))).digest, sha256(BYTES));
  const part = await get(below.of(origin.url + PATH), { headers: { range: 'bytes=1048570-1048600' } });
  assert.is(part.status, 206);
  assert.equal(part.bytes, BYTES.subarray(1_048_570, 1_048_601));
  assert.is(bulkOf(origin), BYTES.length);
  assert.is((await get(below.of(`${origin.url}/none`))).status, 404);
});

test('our agents have every byte by way of a root of DadiP2P, and are sent to nobody by it', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: BYTES } });
  await using root = await startDadiP2P();
  let strangers = 0;
  await using stranger = await listen((_, response) => {
    strangers += 1;
    response.writeHead(206).end('poison');
  });
  // It takes them for its two children: whoever comes later is sent to one of them.
  for (const name of [stranger.url, `${stranger.url}/again`]) {
    await get(root.of(origin.url + PATH), { headers: { 'x-p2p-agent': name, range: 'bytes=0-0' } });
  }
  await using agent = await startAgent({ origins: [origin.url], agent: { ...HERE, OriginFallback: false } }, [
    root.url,
  ]);
  const answer = await get(through(agent, origin.url + PATH));
  assert.is(answer.status, 200);
  assert.is(answer.digest, sha256(BYTES));
  assert.ok(root.hits.some(({ status }) => status === 307));
  assert.is(strangers, 0);
  const before = root.hits.length;
  assert.is((await get(through(agent, origin.url + PATH))).digest, sha256(BYTES));
  assert.is(root.hits.length, before);
});

test('takes the date that a root of DadiP2P makes up for no version: what changes is never mixed', async () => {
  await using origin = await startOrigin();
  const url = origin.put('/app.bin', BYTES);
  await using root = await startDadiP2P();
  await using agent = await startAgent({ origins: [origin.url], agent: { ...HERE, OriginFallback: false } }, [
    root.url,
  ]);
  for (let time = 0; time < 2; time += 1) {
    const answer = await get(through(agent, url));
    assert.is(answer.digest, sha256(BYTES));
    assert.is(answer.headers['last-modified'], undefined);
  }
  assert.equal(agent.logs('origin_changed'), []);
});

test.run();
