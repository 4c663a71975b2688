import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Asker,
  BACK,
  FanOut,
  type FanOutParts,
  MAX_REDIRECTS,
} from '../../../functions/service/fan-out.ts';

const test = suite('functions/service/fan-out');

const CHUNK = 'some blob 0';

function fanOut(parts: Partial<FanOutParts> = {}) {
  const clock = { nowMs: 1_000 };
  const tree = new FanOut({
    maxChildren: 4,
    sending: () => 0,
    isMember: () => true,
    now: () => clock.nowMs,
    ...parts,
  });
  const ask = (node: string, over: Partial<Asker> = {}, chunk = CHUNK) =>
    tree.refer(chunk, { node, asked: [], redirects: 0, ...over });
  return { clock, tree, ask };
}

test('gives a further chunk to one child alone while it sends as much as it receives', () => {
  let sending = 8;
  const { ask } = fanOut({ maxChildren: 4, sending: () => sending });
  assert.is(ask('a'), undefined);
  assert.is(ask('b'), undefined);
  sending = 9;
  assert.is(ask('a'), undefined);
  assert.ok(['a', 'b'].some((child) => child === ask('c')));
  sending = 8;
  assert.is(ask('c'), undefined);
});

test('has who was sent here go back while it sends twice as much, where it has nobody to send it on to', () => {
  let sending = 18;
  const { ask } = fanOut({ maxChildren: 4, sending: () => sending });
  assert.is(ask('a', { redirects: 1 }), BACK);
  assert.is(ask('a', { redirects: MAX_REDIRECTS }), undefined);
  assert.is(ask('b', { redirects: 1 }), 'a');
  assert.is(ask('b', { redirects: 2, asked: ['a'] }), BACK);
  assert.is(ask('a', { redirects: 1 }), undefined);
  sending = 17;
  assert.is(ask('b', { redirects: 2, asked: ['a'] }), undefined);
});

test('gives a chunk to one that nobody has sent here, however much it sends', () => {
  const { ask } = fanOut({ sending: () => 100 });
  assert.is(ask('a'), undefined);
  assert.is(ask('b'), 'a');
  assert.is(ask('b', { asked: ['a'] }), undefined);
});

test('gives a chunk to as many as it may have children, and sends the others on to these in turn', () => {
  const { ask } = fanOut();
  assert.equal(
    ['a', 'b', 'c', 'd'].map((node) => ask(node)),
    Array(4).fill(undefined),
  );
  assert.equal(
    ['e', 'f', 'g', 'h', 'i'].map((node) => ask(node)),
    ['a', 'b', 'c', 'd', 'a'],
  );
});

test('counts the children of each chunk by themselves', () => {
  const { ask } = fanOut({ maxChildren: 1 });
  assert.is(ask('a', {}, 'one'), undefined);
  assert.is(ask('b', {}, 'two'), undefined);
  assert.is(ask('b', {}, 'one'), 'a');
});

test('gives a child the rest of what broke off on the way', () => {
  const { ask } = fanOut({ maxChildren: 1 });
  ask('a');
  assert.is(ask('a'), undefined);
});

test('forgets a child a minute after it has last asked', () => {
  const { ask, clock, tree } = fanOut({ maxChildren: 1 });
  ask('a');
  clock.nowMs += 59_999;
  assert.is(ask('b'), 'a');
  clock.nowMs += 1;
  assert.is(ask('b'), undefined);
  assert.is(ask('a'), 'b');
  clock.nowMs += 60_001;
  assert.is(tree.children, 0);
});

test('sends nobody to itself or back to where it has been, but gives the chunk instead', () => {
  const { ask } = fanOut({ maxChildren: 2 });
  ask('a');
  ask('b');
  assert.is(ask('c', { asked: ['a'] }), 'b');
  assert.is(ask('c', { asked: ['a', 'b'] }), undefined);
});

test('sends nobody to a node that has left, and has room for another in its place', () => {
  const members = new Set(['a', 'b', 'c']);
  const { ask } = fanOut({ maxChildren: 1, isMember: (node) => members.has(node) });
  ask('a');
  assert.is(ask('b'), 'a');
  members.delete('a');
  assert.is(ask('b'), undefined);
  assert.is(ask('c'), 'b');
});

test('gives strangers what they ask for, and sends nobody to them', () => {
  const { ask } = fanOut({ maxChildren: 1, isMember: (node) => node !== 'stranger' });
  for (let times = 0; times < 3; times += 1) assert.is(ask('stranger'), undefined);
  assert.is(ask('a'), undefined);
});

test('sends nobody on without end', () => {
  const { ask } = fanOut({ maxChildren: 1 });
  ask('a');
  assert.is(ask('b', { redirects: MAX_REDIRECTS - 1 }), 'a');
  assert.is(ask('b', { redirects: MAX_REDIRECTS }), undefined);
});

test('remembers the children of twenty thousand chunks at most', () => {
  const { ask, tree } = fanOut();
  for (let index = 0; index < 20_100; index += 1) ask('a', {}, `chunk ${index}`);
  assert.is(tree.children, 20_000);
  assert.is(ask('b', {}, 'chunk 0'), undefined);
});

test('brings everyone to the chunk, over few nodes, with no more than the children that each may have', () => {
  for (const [count, maxChildren, depth] of [
    [1_000, 4, 7],
    [1_000, 2, 8],
  ] as const) {
    const trees = new Map<string, FanOut>();
    const treeOf = (node: string) => {
      const tree =
        trees.get(node) ?? new FanOut({ maxChildren, sending: () => 0, isMember: () => true, now: () => 0 });
      trees.set(node, tree);
      return tree;
    };
    const uploads = new Map<string, number>();
    for (let n = 0; n < count; n += 1) {
      const node = `n${n}`;
      let at = 'owner';
      const asked: string[] = [];
      for (let redirects = 0; ; redirects += 1) {
        const next = treeOf(at).refer(CHUNK, { node, asked, redirects });
        if (next === undefined) break;
        if (next === BACK) throw new Error(`${at} sends back`);
        assert.not(asked.includes(next) || next === node);
        asked.push(at);
        at = next;
        assert.ok(redirects < depth, `${redirects} redirects`);
      }
      uploads.set(at, (uploads.get(at) ?? 0) + 1);
    }
    assert.is(
      [...uploads.values()].reduce((sum, each) => sum + each),
      count,
    );
    const beyond = [...uploads.values()].filter((each) => each > maxChildren);
    assert.ok(beyond.length === 0 || maxChildren === 2, String(beyond));
  }
});

test.run();
