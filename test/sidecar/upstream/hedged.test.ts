import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Reply, Source } from '../../../functions/blob/upstream.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import { P2PError } from '../../../functions/protocol/errors.ts';
import { type HedgeableSource, HedgedUpstream } from '../../../sidecar/upstream/hedged.ts';
import { rejects } from '../../support/rejects.ts';

const test = suite('sidecar/upstream/hedged');

const QUERY = { address: parseAddress('http://origin.test/x'), method: 'GET', headers: {} } as const;

/** A source that answers when it is told to. */
function source(name: string, { afterMs, mayBegin = true }: { afterMs?: number; mayBegin?: boolean } = {}) {
  const seen = { asked: 0, overtaken: 0, discarded: 0 };
  let answer: (reply: Reply) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const body = {
    read: async () => {},
    discard: () => {
      seen.discarded += 1;
    },
  };
  const plain: Source = {
    name,
    kind: 'root',
    open: () => {
      seen.asked += 1;
      return new Promise((resolve, reject) => {
        answer = resolve;
        fail = reject;
      });
    },
  };
  const hedge = {
    afterMs: afterMs ?? 0,
    begin: () => mayBegin,
    overtaken: () => {
      seen.overtaken += 1;
    },
  };
  const hedgeable: HedgeableSource = { ...plain, hedge };
  return {
    seen,
    source: afterMs === undefined ? plain : hedgeable,
    answer: (status = 206) => answer({ status, headers: { 'x-name': name }, body }),
    fail: () => fail(new P2PError('UPSTREAM_UNREACHABLE', name)),
  };
}

function hedged(...sources: readonly { readonly source: Source }[]) {
  let hedges = 0;
  const upstream = new HedgedUpstream({ sources: () => sources.map((one) => one.source) }, () => {
    hedges += 1;
  });
  const line = upstream.sources(QUERY.address)[Symbol.iterator]();
  const next = (): Source | undefined => line.next().value;
  return { next, hedges: () => hedges };
}

const open = (one: Source | undefined): Promise<Reply> =>
  (one as Source).open(QUERY, new AbortController().signal);
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('asks nobody else while a source is quick', async () => {
  const [first, second] = [source('first', { afterMs: 60_000 }), source('second')];
  const { next, hedges } = hedged(first, second);
  const opening = open(next());
  first.answer();
  assert.equal((await opening).headers, { 'x-name': 'first' });
  assert.equal([second.seen.asked, hedges()], [0, 0]);
});

test('reads whoever begins first, gives the other up as it comes, and tells who was overtaken', async () => {
  const [first, second] = [source('first', { afterMs: 1 }), source('second')];
  const { next, hedges } = hedged(first, second);
  const opening = open(next());
  while (second.seen.asked === 0) await turn();
  second.answer();
  const reply = await opening;
  assert.is(reply.from?.name, 'second');
  assert.equal([first.seen.overtaken, hedges()], [1, 1]);
  first.answer();
  while (first.seen.discarded === 0) await turn();
  assert.is(next(), undefined);
});

test('keeps a source that was asked in vain for when the other breaks off', async () => {
  const [first, second] = [source('first', { afterMs: 1 }), source('second')];
  const { next } = hedged(first, second);
  const opening = open(next());
  while (second.seen.asked === 0) await turn();
  first.answer();
  assert.is((await opening).from, undefined);
  assert.is(first.seen.overtaken, 0);
  assert.is(next()?.name, 'second');
});

test('waits for the other when one of the two fails, and fails when both do', async () => {
  const [first, second] = [source('first', { afterMs: 1 }), source('second')];
  const { next } = hedged(first, second);
  const opening = open(next());
  while (second.seen.asked === 0) await turn();
  first.fail();
  await turn();
  second.answer();
  assert.is((await opening).from?.name, 'second');
  assert.is(first.seen.overtaken, 0);

  const [third, fourth] = [source('third', { afterMs: 1 }), source('fourth')];
  const failing = open(hedged(third, fourth).next());
  while (fourth.seen.asked === 0) await turn();
  fourth.fail();
  third.fail();
  await rejects('UPSTREAM_UNREACHABLE', failing);
});

test('takes no quick failure for an answer while the other may have a better one', async () => {
  for (const status of [429, 503]) {
    const [first, second] = [source('first', { afterMs: 1 }), source('second')];
    const opening = open(hedged(first, second).next());
    while (second.seen.asked === 0) await turn();
    second.answer(status);
    await turn();
    first.answer();
    assert.is((await opening).headers['x-name'], 'first');
    assert.equal([first.seen.overtaken, first.seen.discarded, second.seen.discarded], [0, 0, 1]);

    const [third, fourth] = [source('third', { afterMs: 1 }), source('fourth')];
    const refused = open(hedged(third, fourth).next());
    while (fourth.seen.asked === 0) await turn();
    fourth.answer(status);
    third.fail();
    assert.is((await refused).status, status);
  }
});

test('asks nobody else once enough were asked twice', async () => {
  const [first, second] = [source('first', { afterMs: 1, mayBegin: false }), source('second')];
  const opening = open(hedged(first, second).next());
  while (first.seen.asked === 0) await turn();
  setTimeout(() => first.answer(), 20);
  assert.is((await opening).headers['x-name'], 'first');
  assert.is(second.seen.asked, 0);
});

test.run();
