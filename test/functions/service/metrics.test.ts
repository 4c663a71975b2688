import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Metrics } from '../../../functions/service/metrics.ts';
import { memoryLog } from '../../support/app.ts';

const test = suite('functions/service/metrics');

/** The value of one series. */
async function seriesOf(metrics: Metrics, series: string): Promise<number | undefined> {
  const { text } = await metrics.render();
  const line = text.split('\n').find((line) => line.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

test('counts what a reader serves, by where it came from', async () => {
  const metrics = new Metrics();
  const events = metrics.readerEvents(memoryLog().log);
  events.served('origin', 1000, 1);
  events.served('origin', 500, 0);
  events.served('memory', 7, 2);
  assert.is(await seriesOf(metrics, 'p2p_served_bytes_total{from="origin"}'), 1500);
  assert.is(await seriesOf(metrics, 'p2p_chunk_reads_total{from="origin"}'), 1);
  assert.is(await seriesOf(metrics, 'p2p_chunk_reads_total{from="memory"}'), 2);
});

test('counts and logs what fails, with its fields', async () => {
  const metrics = new Metrics();
  const { log, lines } = memoryLog();
  metrics.readerEvents(log).failed('upstream_failed', { source: 'origin', code: 'UPSTREAM_TIMEOUT' });
  assert.is(await seriesOf(metrics, 'p2p_failures_total{event="upstream_failed"}'), 1);
  assert.is(lines[0]?.event, 'upstream_failed');
  assert.is(lines[0]?.code, 'UPSTREAM_TIMEOUT');
});

test('counts replies, evictions and the time to the first byte', async () => {
  const metrics = new Metrics();
  metrics.replied('p2p', 206);
  metrics.replied('p2p', 206);
  metrics.evicted(3);
  metrics.evicted(4);
  metrics.firstByte('hit', 0.002);
  assert.is(await seriesOf(metrics, 'p2p_replies_total{way="p2p",status="206"}'), 2);
  assert.is(await seriesOf(metrics, 'p2p_evictions_total'), 7);
  assert.is(await seriesOf(metrics, 'p2p_first_byte_seconds_bucket{le="0.001",cache="hit"}'), 0);
  assert.is(await seriesOf(metrics, 'p2p_first_byte_seconds_bucket{le="0.005",cache="hit"}'), 1);
});

test('shows what is in the cache and under way at the moment it is asked', async () => {
  const metrics = new Metrics();
  let bytes = 10;
  metrics.watchCache(() => ({ bytes, files: 2 }));
  metrics.watchFlights(() => 5);
  bytes = 20;
  assert.is(await seriesOf(metrics, 'p2p_cache_bytes'), 20);
  assert.is(await seriesOf(metrics, 'p2p_cache_files'), 2);
  assert.is(await seriesOf(metrics, 'p2p_flights'), 5);
});

test('writes the Prometheus text format: help and type before each metric, every line well formed', async () => {
  const metrics = new Metrics();
  metrics.replied('p2p', 200);
  const { type, text } = await metrics.render();
  assert.match(type, /^text\/plain; version=0\.0\.4/);
  const described = new Set(
    [...text.matchAll(/^# TYPE (\S+) (?:counter|gauge|histogram|summary)$/gm)].map(([, name]) => name),
  );
  const help = new Set([...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name));
  assert.equal(help, described);
  for (const line of text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))) {
    const [, name = ''] = /^([a-z_]\w*)(?:\{[^}]*\})? -?(?:[\d.eE+-]+|\+?Inf|Nan|NaN)$/.exec(line) ?? [];
    assert.ok(described.has(name) || described.has(name.replace(/_(?:bucket|sum|count)$/, '')), line);
  }
});

test('keeps the counts of two nodes in one process apart', async () => {
  const [one, two] = [new Metrics(), new Metrics()];
  one.replied('p2p', 200);
  assert.is(await seriesOf(two, 'p2p_replies_total{way="p2p",status="200"}'), undefined);
});

test.run();
