import { setImmediate } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ErrorCode, P2PError } from '../../../functions/protocol/errors.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { gate } from '../../support/gate.ts';
import { startOrigin } from '../../support/origin.ts';
import { CHUNK, openReader, originUpstream, readSpan, type TestReader } from '../../support/reader.ts';
import { rejects } from '../../support/rejects.ts';
import { PATIENCE_MS } from '../../support/until.ts';

const test = suite('functions/blob/askers');

const BYTES = blobOf(3 * CHUNK, 'askers');
const SPAN = { start: CHUNK, end: 2 * CHUNK };
const FAR = { 'x-p2p-agent': 'http://far.test:19145' };
const NODE = { headers: FAR, isPassedOn: true };

/** A reader that asks nobody for other nodes but one source, which fails once others have joined, of what begins at `failsAt`. */
async function openNode(code: ErrorCode, failsAt: number) {
  const origin = await startOrigin();
  const origins = originUpstream();
  const [asked, joined] = [gate(), gate()];
  const failed = { times: 0 };
  const kit: TestReader = openReader({
    lookAhead: { perRead: 0, total: 0 },
    upstream: {
      *sources(address) {
        // An origin is several sources, each a try.
        for (const source of [...origins.upstream.sources(address)].slice(0, 1)) {
          yield {
            ...source,
            async open(query, signal) {
              const isFailing = String(query.headers.range).startsWith(`bytes=${failsAt}-`);
              if (!('x-p2p-agent' in query.headers) || !isFailing) return source.open(query, signal);
              failed.times += 1;
              asked.open();
              await joined.opened;
              throw new P2PError(code, 'there is nobody that this node asks for others');
            },
          };
        }
      },
    },
  });
  return {
    ...{ kit, origin, asked, joined, failed, url: origin.put('/blob', BYTES) },
    async [Symbol.asyncDispose]() {
      await kit[Symbol.asyncDispose]();
      await origins[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  };
}

for (const code of ['UPSTREAM_UNREACHABLE', 'UPSTREAMS_EXHAUSTED', 'LOOP_DETECTED'] as const) {
  test(`asks for a client whom it does not ask for the node that asked first: ${code}`, async () => {
    await using node = await openNode(code, CHUNK);
    const { kit, url } = node;
    const [far, client] = [await kit.open(url, NODE), await kit.open(url)];
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const first = readSpan(far, SPAN, signal);
    await node.asked.opened;
    const read = readSpan(client, SPAN, signal);
    // By the end of this turn it waits for the same chunk.
    await setImmediate();
    node.joined.open();
    for (const bytes of [await read, await first]) {
      assert.is(sha256(bytes), sha256(BYTES.subarray(CHUNK, 2 * CHUNK)));
    }
    assert.is(
      node.origin.hits.filter(({ headers }) => headers.range === `bytes=${CHUNK}-${2 * CHUNK - 1}`).length,
      1,
    );
  });

  test(`learns for a client what it cannot for the node that asked first: ${code}`, async () => {
    await using node = await openNode(code, 0);
    const { kit, url } = node;
    const far = rejects(code, kit.open(url, NODE));
    await node.asked.opened;
    const clients = Array.from({ length: 3 }, () => kit.read(url));
    await setImmediate();
    node.joined.open();
    for (const bytes of await Promise.all(clients)) assert.is(sha256(bytes), sha256(BYTES));
    await far;
    assert.is(node.origin.hits.filter(({ headers }) => headers.range === `bytes=0-${CHUNK - 1}`).length, 1);
  });
}

test('asks once for all the nodes that want a chunk', async () => {
  await using node = await openNode('UPSTREAM_UNREACHABLE', CHUNK);
  const { kit, url } = node;
  const nodes = [await kit.open(url, NODE), await kit.open(url, { ...NODE, doubtful: false })];
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const reads = nodes.map((blob) => rejects('UPSTREAM_UNREACHABLE', readSpan(blob, SPAN, signal)));
  await node.asked.opened;
  await setImmediate();
  node.joined.open();
  await Promise.all(reads);
  assert.is(node.failed.times, 1);
});

test('asks once, and tells all, what the origin refuses a node and a client with the same credential', async () => {
  await using origin = await startOrigin();
  await using kit = openReader({ lookAhead: { perRead: 0, total: 0 } });
  const url = origin.put('/blob', BYTES);
  const blobs = [await kit.open(url, NODE), await kit.open(url)];
  origin.forget();
  origin.always = { status: 404, delayMs: 50 };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  await Promise.all(blobs.map((blob) => rejects('UPSTREAM_REFUSED', readSpan(blob, SPAN, signal))));
  assert.is(origin.hits.length, 1);
});

test('fetches for who joins a look at what is cached', async () => {
  await using origin = await startOrigin();
  await using kit = openReader({ lookAhead: { perRead: 0, total: 0 } });
  const url = origin.put('/blob', BYTES);
  const looking = await kit.open(url, NODE);
  const look = await kit.open(url, { ...NODE, onlyCached: true });
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const reads = [look, looking].map((blob) => readSpan(blob, SPAN, signal));
  for (const read of reads) assert.is(sha256(await read), sha256(BYTES.subarray(SPAN.start, SPAN.end)));
});

test.run();
