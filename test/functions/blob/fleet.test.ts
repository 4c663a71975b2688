import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Journey } from '../../../functions/blob/journey.ts';
import { blobOf } from '../../support/blob-of.ts';
import { collected } from '../../support/collected.ts';
import { startOrigin } from '../../support/origin.ts';
import { CHUNK, openReader, readSpan, type TestReader } from '../../support/reader.ts';

const test = suite('functions/blob/fleet');

/** Reads a blob to its end; what the trace of that was told, and a reference to what asked for it. */
async function readTraced({ reader, ask }: TestReader, url: string) {
  const journeys: Journey[] = [];
  const trace = {
    now: () => 7,
    fetching: (_: number, journey: Journey) => journeys.push(journey),
    gave: () => {},
  };
  const asked = ask(url, { trace });
  const blob = await reader.open(asked);
  assert.ok(blob);
  if (blob !== undefined) await readSpan(blob);
  await reader.settled();
  return { journeys, asked: new WeakRef<object>(asked), trace: new WeakRef<object>(trace) };
}

// Who is traced is remembered for a thousand requests: a journey that kept its flight had each keep a chunk's memory,
// and one that kept its trace the traces of all whom it had shared a flight with.
test('how a chunk came is told without keeping its memory, who asked for it, or the trace', async () => {
  await using origin = await startOrigin();
  origin.put('/blob', blobOf(4 * CHUNK, 'traced'));
  await using reader = openReader();
  const { journeys, asked, trace } = await readTraced(reader, `${origin.url}/blob`);
  await collected('who asked', asked);
  await collected('the trace', trace);
  assert.is(journeys.length, 4);
  assert.ok(journeys.every(({ legs }) => legs.length === 1 && legs[0]?.askedMs === 7));
});

test.run();
