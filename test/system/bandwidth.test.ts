import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { type Answer, get } from '../support/client.ts';
import { startOrigin } from '../support/origin.ts';
import { startAgent, through } from '../support/pair.ts';

const test = suite('system/bandwidth');

const BYTES = blobOf(8_000_000, 'limited');
const PATH = `/v2/img/blobs/sha256:${sha256(BYTES)}`;
const HALF = BYTES.length / 2;
// 8 MB at 4 MB/s take two seconds, less the tenth of a second's worth that may go at once.
const AT_LEAST_MS = 1_800;

/** How long it took until all had what they wanted, milliseconds. */
async function timed(asking: readonly Promise<Answer>[], wanted: readonly Buffer[]): Promise<number> {
  const startedMs = performance.now();
  const answers = await Promise.all(asking);
  const ms = performance.now() - startedMs;
  assert.equal(
    answers.map(({ digest }) => digest),
    wanted.map((bytes) => sha256(bytes)),
  );
  return ms;
}

test('an agent fetches, and sends to other nodes, no more than its limits allow, all together', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: BYTES } });
  const Limits = { Download: '4MB/s', Upload: '4MB/s' };
  await using agent = await startAgent({ origins: [origin.url], chunkSize: '256KiB', agent: { Limits } }, []);
  const url = through(agent, origin.url + PATH);
  const fetchedMs = await timed([get(url)], [BYTES]);
  assert.ok(fetchedMs >= AT_LEAST_MS, `fetched in ${fetchedMs} ms`);
  const part = (from: number, node: string) =>
    get(url, { headers: { range: `bytes=${from}-${from + HALF - 1}`, 'x-p2p-agent': node } });
  const sentMs = await timed(
    [part(0, 'http://10.0.0.7:19145'), part(HALF, 'http://10.0.0.8:19145')],
    [BYTES.subarray(0, HALF), BYTES.subarray(HALF)],
  );
  assert.ok(sentMs >= AT_LEAST_MS, `sent in ${sentMs} ms`);
  assert.is(origin.bytesSent, BYTES.length);
});

test.run();
