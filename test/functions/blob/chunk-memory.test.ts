import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ChunkMemory, ChunkPool } from '../../../functions/blob/chunk-memory.ts';
import { until } from '../../support/until.ts';

const test = suite('functions/blob/chunk-memory');

const BYTES = 1024;

/** Memory of as many chunks, all of it in use. */
const lease = (pool: ChunkPool, count: number): ChunkMemory[] =>
  Array.from({ length: count }, () => {
    const memory = pool.lease(BYTES);
    memory.bytes.fill(1);
    return memory;
  });

test('uses a buffer again once the last holder has let go of it', () => {
  const pool = new ChunkPool(BYTES);
  const [memory] = lease(pool, 1) as [ChunkMemory];
  const buffer = memory.bytes;
  memory.retain();
  memory.release();
  assert.is(pool.kept, 0);
  memory.release();
  assert.is(pool.lease(BYTES).bytes, buffer);
});

test('keeps buffers of its own size alone, and no more than four readers take', () => {
  const pool = new ChunkPool(BYTES);
  const odd = pool.lease(BYTES - 1);
  odd.bytes.fill(1);
  odd.release();
  assert.is(pool.kept, 0);
  for (const memory of lease(pool, 100)) memory.release();
  assert.is(pool.kept, 48);
});

test('gives back what is not needed any more, but for a few', async () => {
  const pool = new ChunkPool(BYTES, false, 5);
  for (const memory of lease(pool, 40)) memory.release();
  assert.is(pool.kept, 40);
  await until('the pool to shrink', () => pool.kept === 8);
  for (const memory of lease(pool, 20)) memory.release();
  assert.is(pool.kept, 20, 'it grows again');
  await until('the pool to shrink again', () => pool.kept === 8);
});

test.run();
