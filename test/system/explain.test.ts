import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EXPLAIN } from '../../sidecar/cli/explain.ts';
import type { ShownTrace } from '../../sidecar/explain/format-trace.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { runCommand } from '../support/command.ts';
import { freePort } from '../support/daemon.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { startOrigin } from '../support/origin.ts';
import { startAgent, startPair, through } from '../support/pair.ts';

const test = suite('system/explain');

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CHUNK = 65_536;

const apiOf = (agent: NodeProcess) => `http://127.0.0.1:${agent.adminPort}/api/v1/trace`;

async function traceOf(agent: NodeProcess, path: string): Promise<ShownTrace> {
  const answer = await get(`${apiOf(agent)}${path}`);
  assert.is(answer.status, 200, answer.text);
  return JSON.parse(answer.text);
}

test('a trace tells of each chunk where it came from, and goes along to the origin and back', async () => {
  await using origin = await startOrigin();
  await using pair = await startPair({ origins: [origin.url] });
  const { agent, root } = pair;
  const bytes = blobOf(5 * CHUNK + 1, 'traced');
  const url = origin.put(`/v2/x/blobs/sha256:${sha256(bytes)}`, bytes);
  const headers = { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` };
  const cold = await get(through(agent, url), { headers });
  assert.match(String(cold.headers.traceresponse), new RegExp(`^00-${TRACE}-`));
  assert.equal(
    origin.hits.filter((hit) => !String(hit.headers.traceparent).includes(TRACE)),
    [],
  );
  assert.ok(origin.hits.length > 0);
  await get(through(agent, url), { headers });
  const { trace, requests } = await traceOf(agent, `/${TRACE}`);
  assert.is(trace, TRACE);
  const [first, second] = requests;
  assert.equal([requests.length, first?.url, first?.outcome], [2, url, '200']);
  assert.equal(
    first?.chunks.map(({ index }) => index),
    [0, 1, 2, 3, 4, 5],
  );
  for (const { index, legs, wantedMs, firstByteMs, doneMs } of first?.chunks ?? []) {
    assert.equal(
      legs.map(({ source, kind }) => [source, kind]),
      [[root.url, 'root']],
      `chunk ${index}`,
    );
    const [{ askedMs = 0, answeredMs = 0 } = {}] = legs;
    assert.ok(askedMs > 0 && askedMs <= answeredMs && answeredMs <= doneMs, `chunk ${index}`);
    assert.ok(wantedMs <= firstByteMs && firstByteMs <= doneMs, `chunk ${index}`);
  }
  assert.equal(new Set(second?.chunks.map(({ from }) => from)), new Set(['memory']));
  // Whoever sends no trace of its own is told of the one it was given.
  const other = await get(through(agent, url));
  const [, id] = String(other.headers.traceresponse).split('-');
  assert.is((await traceOf(agent, `/${id}`)).requests.length, 1);
  assert.is((await get(`${apiOf(agent)}/${'0'.repeat(32)}`)).status, 404);
});

test('a source that failed is named, with what went wrong and who was asked instead', async () => {
  await using origin = await startOrigin();
  const dead = `http://127.0.0.1:${await freePort()}`;
  await using agent = await startAgent({ origins: [origin.url] }, [dead]);
  const url = origin.put('/file', blobOf(2 * CHUNK, 'retried'));
  await get(through(agent, url));
  const { requests } = await traceOf(agent, `?url=${encodeURIComponent(url)}`);
  const failed =
    requests[0]?.chunks.flatMap(({ legs }) => legs.filter(({ failure }) => failure !== undefined)) ?? [];
  assert.ok(failed.some(({ source, failure }) => source === dead && failure === 'UPSTREAM_UNREACHABLE'));
  assert.equal(new Set(requests[0]?.chunks.map(({ legs }) => legs.at(-1)?.kind)), new Set(['origin']));
});

test('dadip2p explain reads a URL through the agent and prints whom each chunk was asked of', async () => {
  await using origin = await startOrigin();
  await using pair = await startPair({ origins: [origin.url] });
  const url = origin.put('/file', blobOf(3 * CHUNK, 'explained'));
  const env = { DADIP2P_Admin__Port: String(pair.agent.adminPort) };
  const explain = (...args: string[]) => runCommand(EXPLAIN, args, { env });
  const cold = await explain(url);
  assert.is(cold.code, 0, cold.out);
  assert.match(cold.out, new RegExp(`GET ${url}: 200, \\d+ ms; root 192KiB`));
  const rows = cold.out.split('\n').filter((line) => line.includes(pair.root.url));
  assert.is(rows.length, 3, cold.out);
  assert.ok(
    rows.every((row, at) => new RegExp(`^ *${at} +${CHUNK} +root `).test(row)),
    cold.out,
  );
  const last = JSON.parse((await explain(url, '--last', '--json')).out) as ShownTrace;
  assert.is(last.requests[0]?.chunks.length, 3);
  const missing = await explain(`${origin.url}/missing`);
  assert.is(missing.code, 1);
  assert.match(missing.out, 'UPSTREAM_REFUSED');
  const headers = { 'content-type': 'application/json' };
  const nothing = await get(apiOf(pair.agent), { method: 'POST', headers, body: 'null' });
  assert.is(nothing.status, 400, nothing.text);
});

test.run();
