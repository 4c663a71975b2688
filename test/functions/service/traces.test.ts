import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Journey } from '../../../functions/blob/journey.ts';
import { Traces } from '../../../functions/service/traces.ts';

const test = suite('functions/service/traces');

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

const request = (url: string, traceId = TRACE) => ({
  method: 'GET',
  url,
  traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
});
const read = (index: number) => ({
  index,
  bytes: 1,
  from: 'disk',
  wantedMs: 0,
  firstByteMs: 0,
  doneMs: 0,
  journey: undefined,
});

test('finds all requests of a trace in their order, and the last one for a URL, whatever its query', () => {
  const traces = new Traces(() => 7);
  const first = traces.begin(request('http://o.test/a?sig=secret'));
  const second = traces.begin(request('http://o.test/b'));
  traces.begin(request('http://o.test/b', 'a'.repeat(32)));
  const again = traces.begin(request('http://o.test/a?sig=other', 'b'.repeat(32)));
  assert.equal(traces.find(TRACE), [first, second]);
  assert.is(traces.lastOf('http://o.test/a'), again);
  assert.is(traces.lastOf('http://o.test/none'), undefined);
  assert.not.match(JSON.stringify(traces.find(TRACE)), 'secret');
});

test('tells of whom a chunk was asked that was never given', () => {
  const trace = new Traces(() => 7).begin(request('http://o.test/a'));
  for (const index of [0, 1]) {
    const journey = new Journey(() => index);
    trace.fetching(index, journey);
    journey.asked({ name: 'http://root', kind: 'root' });
  }
  trace.gave(read(0));
  const { chunks, unread } = trace.toJSON();
  assert.equal(
    chunks.map(({ index }) => index),
    [0],
  );
  assert.equal(unread, [{ index: 1, legs: [{ source: 'http://root', kind: 'root', askedMs: 1 }] }]);
});

test('remembers a thousand requests, and forgets the oldest', () => {
  const traces = new Traces(() => 0);
  for (let at = 0; at <= 1_000; at += 1) traces.begin(request(`http://o.test/${at}`));
  assert.is(traces.find(TRACE).length, 1_000);
  assert.is(traces.lastOf('http://o.test/0'), undefined);
});

test('holds a bounded part of each URL, by which it is found still', () => {
  const traces = new Traces(() => 0);
  const url = `http://o.test/${'a'.repeat(60_000)}`;
  const trace = traces.begin(request(url));
  assert.ok(trace.url.length < 5_000, `${trace.url.length}`);
  assert.is(traces.lastOf(url), trace);
});

test('holds a bounded number of chunks in all, and of each request, and counts the rest', () => {
  const traces = new Traces(() => 0);
  for (let at = 0; at < 20; at += 1) {
    const trace = traces.begin(request(`http://o.test/${at}`));
    for (let index = 0; index < 5_000; index += 1) trace.gave(read(index));
  }
  const held = traces.find(TRACE).map((one) => one.toJSON());
  const reads = held.reduce((sum, { chunks }) => sum + chunks.length, 0);
  assert.ok(reads > 40_000 && reads <= 50_000, `${reads}`);
  assert.is(held.at(-1)?.omitted, 5_000 - 4_096);
});

test('a request that goes on after it was forgotten takes no more memory', () => {
  const traces = new Traces(() => 0);
  const old = traces.begin(request('http://o.test/old'));
  for (let at = 0; at < 1_000; at += 1) traces.begin(request(`http://o.test/${at}`));
  old.gave(read(0));
  assert.equal(old.toJSON().chunks, []);
});

test.run();
