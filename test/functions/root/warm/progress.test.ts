import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type LaneState, progressOf, type Run } from '../../../../functions/root/warm/progress.ts';

const test = suite('functions/root/warm/progress');

const NOW = 1_790_000_000_000;
const MINUTE = 60_000;

const run = (more: Partial<Run> = {}): Run => ({
  run: 'r',
  images: ['a'],
  platforms: [],
  startedAtMs: NOW,
  aliveAtMs: NOW,
  ...more,
});

const plan = {
  blobs: [
    { at: 'x', size: 10 },
    { at: 0, size: 25 },
  ],
  chunkBytes: 10,
  lanes: 2,
  failures: [],
  fetched: { chunks: 1, bytes: 10 },
};

const lane = (more: Partial<LaneState> = {}): LaneState => ({
  aliveAtMs: NOW,
  next: 0,
  isDone: false,
  chunks: { done: 0, fetched: 0 },
  bytes: { done: 0, fetched: 0 },
  current: { chunks: 0, bytes: 0 },
  lateProofs: 0,
  unproven: 0,
  failed: 0,
  failures: [],
  ...more,
});

test('is the sum of what its lanes have done and are at, and of what planning took', () => {
  const lanes = [
    lane({ chunks: { done: 1, fetched: 0 }, bytes: { done: 10, fetched: 0 } }),
    lane({
      current: { chunks: 2, bytes: 20 },
      chunks: { done: 0, fetched: 2 },
      bytes: { done: 0, fetched: 20 },
    }),
  ];
  const { chunks, bytes, blobs, state } = progressOf('id', run({ plan }), lanes, NOW);
  assert.equal([blobs, state], [2, 'running']);
  assert.equal(chunks, { total: 4, done: 3, fetched: 3 });
  assert.equal(bytes, { total: 35, done: 30, fetched: 30 });
});

test('is stalled when somebody who should be at it has said nothing for long', () => {
  const stateOf = (made: Run, lanes: (LaneState | undefined)[] = []) =>
    progressOf('id', made, lanes, NOW + MINUTE).state;
  assert.is(stateOf(run()), 'stalled');
  assert.is(stateOf(run({ aliveAtMs: NOW + MINUTE })), 'planning');
  const done = lane({ isDone: true });
  const alive = lane({ aliveAtMs: NOW + MINUTE });
  assert.is(stateOf(run({ plan }), [done, undefined]), 'stalled', 'a lane that never began');
  assert.is(stateOf(run({ plan }), [alive, lane()]), 'stalled');
  assert.is(stateOf(run({ plan }), [alive, done]), 'running');
  assert.is(stateOf(run({ plan }), [done, done]), 'done', 'who is done need say nothing');
  assert.is(stateOf(run({ plan: { ...plan, lanes: 0 } })), 'done', 'there was nothing to do');
});

test('has failed when all is over and something is missing; each thing counts once', () => {
  const failure = { what: 'x', code: 'UPSTREAM_REFUSED', message: '404' };
  const failed = lane({ isDone: true, failed: 1, failures: [failure] });
  const both = progressOf('id', run({ plan }), [failed, failed], NOW);
  assert.equal([both.state, both.failed, both.failures], ['failed', 1, [failure]]);
  const many = lane({ isDone: true, failed: 30, failures: [failure] });
  assert.is(progressOf('id', run({ plan }), [many, many], NOW).failed, 59, 'those that are not told, too');
  const unplanned = { ...plan, lanes: 0, failures: [failure] };
  assert.is(progressOf('id', run({ plan: unplanned }), [], NOW).state, 'failed');
});

test.run();
