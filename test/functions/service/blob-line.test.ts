import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BlobLine } from '../../../functions/service/blob-line.ts';
import { rejects } from '../../support/rejects.ts';

const test = suite('functions/service/blob-line');

const NEVER = new AbortController().signal;

/** Has those wait that are named by their blob and start, as "x3", and calls all; in which order they were called. */
async function orderOf(names: readonly string[]): Promise<string[]> {
  const line = new BlobLine();
  const called: string[] = [];
  const waiting = names.map(async (name) => {
    await line.wait({ blob: name.charAt(0), start: Number(name.slice(1)) }, name, NEVER);
    called.push(name);
  });
  while (line.length > 0) {
    line.callNext();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(waiting);
  return called;
}

test('calls those of different blobs in the order in which they came', async () => {
  assert.equal(await orderOf(['x9', 'y8', 'z7']), ['x9', 'y8', 'z7']);
});

test('calls what begins first in a blob first, in the place of whoever came first for it', async () => {
  assert.equal(await orderOf(['x3', 'y2', 'x1', 'y0', 'x2']), ['x1', 'y0', 'x2', 'y2', 'x3']);
});

test('calls those that begin at the same place in the order in which they came', async () => {
  const line = new BlobLine();
  const called: number[] = [];
  const waiting = [0, 1, 2].map(async (which) => {
    await line.wait({ blob: 'x', start: 0 }, String(which), NEVER);
    called.push(which);
  });
  for (const _ of waiting) line.callNext();
  await Promise.all(waiting);
  assert.equal(called, [0, 1, 2]);
});

test('passes nobody by for ever, whoever else comes', async () => {
  const line = new BlobLine();
  let isCalled = false;
  const last = line.wait({ blob: 'x', start: 99 }, 'the last', NEVER).then(() => {
    isCalled = true;
  });
  let earlier = 0;
  for (; !isCalled && earlier < 100; earlier += 1) {
    const next = line.wait({ blob: 'x', start: earlier }, 'an earlier one', NEVER);
    line.callNext();
    await Promise.race([next, last]);
  }
  assert.ok(isCalled && earlier > 2, `after ${earlier} others`);
});

test('calls nobody where nobody waits, nor who has left', async () => {
  const line = new BlobLine();
  line.callNext();
  const leaving = new AbortController();
  const left = line.wait({ blob: 'x', start: 0 }, 'what is left', leaving.signal);
  leaving.abort();
  await rejects('CLIENT_GONE', left);
  assert.is(line.length, 0);
});

test.run();
