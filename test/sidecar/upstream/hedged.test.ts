import { setTimeout as wait } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Reply, ReplyBody, Source, Wanted, Word } from '../../../functions/blob/upstream.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import { P2PError } from '../../../functions/protocol/errors.ts';
import { type HedgeableSource, HedgedUpstream } from '../../../sidecar/upstream/hedged.ts';
import { Line, type Patience } from '../../../sidecar/upstream/line.ts';
import { Straying } from '../../../sidecar/upstream/straying.ts';
import { rejects } from '../../support/rejects.ts';
import { turnedVigil } from '../../support/turned-vigil.ts';
import { until } from '../../support/until.ts';

const test = suite('sidecar/upstream/hedged');

const QUERY = { address: parseAddress('http://origin.test/x'), method: 'GET', headers: {} } as const;

type Asked = ReturnType<typeof source>;

/** A source that answers when it is told to. */
function source(
  name: string,
  {
    afterMs,
    silentMs = 1,
    mayBegin = true,
  }: { afterMs?: number; silentMs?: number; mayBegin?: boolean } = {},
) {
  const seen = { asked: 0, overtaken: 0, left: 0, discarded: 0, aborted: 0 };
  let answer: (reply: Reply) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  let hear: (word?: Word) => void = () => {};
  // One that is read goes on until it is aborted.
  let stop: (error: unknown) => void = () => {};
  let end: () => void = () => {};
  let sink: (piece: Uint8Array) => void | Promise<void> = () => {};
  const body: ReplyBody = {
    read: (reader) =>
      new Promise<void>((resolve, reject) => {
        sink = reader;
        end = resolve;
        stop = reject;
      }),
    discard: () => {
      seen.discarded += 1;
    },
  };
  const plain: Source = {
    name,
    kind: 'root',
    open: (query, signal) => {
      seen.asked += 1;
      hear = (word) => query.heard?.(word);
      signal.addEventListener('abort', () => {
        seen.aborted += 1;
        stop(new P2PError('CLIENT_GONE', 'aborted'));
      });
      return new Promise((resolve, reject) => {
        answer = resolve;
        fail = reject;
      });
    },
  };
  const hedge = {
    afterMs: afterMs ?? 0,
    silentMs,
    begin: () => mayBegin,
    overtaken: () => {
      seen.overtaken += 1;
    },
    left: () => {
      seen.left += 1;
    },
  };
  const hedgeable: HedgeableSource = { ...plain, hedge };
  return {
    seen,
    source: afterMs === undefined ? plain : hedgeable,
    answer: (status = 206, more = {}) =>
      answer({
        status,
        headers: { 'x-name': name, 'content-range': 'bytes 0-999999/1000000', ...more },
        body,
      }),
    hear: (word?: Word) => hear(word),
    send: (bytes: number) => sink(new Uint8Array(bytes)),
    end: () => end(),
    fail: () => fail(new P2PError('UPSTREAM_UNREACHABLE', name)),
  };
}

// Longer than a test takes.
const LONG: Patience = { allMs: 600_000, eachMs: 600_000 };

function hedgedWith(patience: Patience, ...sources: readonly { readonly source: Source }[]) {
  let hedges = 0;
  const lab = turnedVigil();
  const upstream = new HedgedUpstream({
    upstream: { sources: () => sources.map((one) => one.source) },
    vigil: lab.vigil,
    now: () => lab.clock.nowMs,
    patience,
    onHedge: () => {
      hedges += 1;
    },
  });
  const line = upstream.sources(QUERY.address, { index: 0, chain: undefined })[Symbol.iterator]();
  const next = (): Source | undefined => line.next().value;
  return { next, hedges: () => hedges, lab };
}

const hedged = (...sources: readonly { readonly source: Source }[]) => hedgedWith(LONG, ...sources);

const open = (one: Source | undefined, heard?: () => void): Promise<Reply> =>
  (one as Source).open({ ...QUERY, heard }, new AbortController().signal);
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('asks nobody else while a source is quick', async () => {
  const [first, second] = [source('first', { afterMs: 60_000 }), source('second')];
  const { next, hedges } = hedged(first, second);
  const opening = open(next());
  first.answer();
  assert.is((await opening).headers['x-name'], 'first');
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
  assert.equal([first.seen.overtaken, first.seen.aborted, hedges()], [1, 1, 1]);
  first.answer();
  while (first.seen.discarded === 0) await turn();
  assert.is(next(), undefined);
});

test('does not hold it against one that says that it is at work that another is sooner, unless it has said so for long', async () => {
  for (const [words, overtaken] of [
    [['fresh'], 0],
    [['fresh', 'stale'], 1],
  ] as const) {
    const [first, second] = [source('first', { afterMs: 1 }), source('second')];
    const { next } = hedged(first, second);
    const opening = open(next());
    for (const word of words) first.hear(word);
    while (second.seen.asked === 0) await turn();
    second.answer();
    await opening;
    assert.equal([first.seen.overtaken, first.seen.aborted], [overtaken, 1]);
  }
});

test('keeps a source that was asked in vain for when the other breaks off', async () => {
  const [first, second] = [source('first', { afterMs: 1 }), source('second')];
  const { next } = hedged(first, second);
  const opening = open(next());
  while (second.seen.asked === 0) await turn();
  first.answer();
  assert.is((await opening).from, undefined);
  assert.equal([first.seen.overtaken, first.seen.aborted, second.seen.aborted], [0, 0, 1]);
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

test('asks the next at once where the one beside a silent source fails, whatever it says', async () => {
  // All that was left in line waited for the silent one's own time-out.
  for (const end of [
    (one: ReturnType<typeof source>) => one.fail(),
    (one: ReturnType<typeof source>) => one.answer(503),
  ]) {
    const [silent, failing, last] = [
      source('0', { afterMs: 1 }),
      source('1', { afterMs: 60_000 }),
      source('2'),
    ];
    const { next } = hedged(silent, failing, last);
    const opening = open(next());
    while (failing.seen.asked === 0) await turn();
    end(failing);
    while (last.seen.asked === 0) await turn();
    last.answer();
    assert.is((await opening).from?.name, '2');
    assert.equal([silent.seen.aborted, silent.seen.overtaken], [1, 1]);
  }
});

test('keeps all that were asked in vain, in their order, for when the one that began breaks off', async () => {
  const [first, second, third] = [source('0', { afterMs: 1 }), source('1', { afterMs: 1 }), source('2')];
  const { next } = hedged(first, second, third);
  const opening = open(next());
  while (third.seen.asked === 0) await turn();
  first.answer();
  assert.is((await opening).from, undefined);
  assert.equal([next()?.name, next()?.name, next()], ['1', '2', undefined]);
});

test('leaves what is slow for another source, unless it is busy, or still on its way there', async () => {
  const RELAY = { trailer: 'Content-Digest' };
  for (const [kind, isBusy, isLeft, headers] of [
    ['root', true, true, {}],
    ['origin', true, false, {}],
    ['origin', false, true, {}],
    // Broke: all who were behind one slow root left each other for it, and asked it for each chunk many times.
    ['root', true, false, RELAY],
    ['root', false, true, RELAY],
  ] as const) {
    const [first, second] = [source('first', { afterMs: 60_000 }), source('second')];
    const { next, lab } = hedged(first, { source: { ...second.source, kind } });
    for (let time = 0; time < 8; time += 1) await lab.passBody(1_000_000, 400);
    const opening = open(next());
    first.answer(206, headers);
    const reading = (await opening).body.read(() => {});
    const failing = isLeft ? rejects('UPSTREAM_TIMEOUT', reading) : undefined;
    for (let second = 0; second < 6 && first.seen.left === 0; second += 1) {
      first.send(1_000);
      if (isBusy) await lab.passBody(1_000_000, 1_000);
      else lab.pass(1_000);
    }
    assert.is(first.seen.left, isLeft ? 1 : 0, kind);
    if (isLeft) await failing;
  }
});

test('leaves a sibling that is slow only where a client waits for it, or nothing else comes, or it takes long', async () => {
  for (const [isAwaited, isBusy, seconds, isLeft, kind] of [
    [false, true, 4, false, 'root'],
    // What it does not have it would ask a root for.
    [false, true, 4, false, 'sibling'],
    [true, true, 4, true, 'root'],
    [undefined, true, 4, true, 'root'],
    [false, false, 4, true, 'root'],
    [false, true, 6, true, 'root'],
  ] as const) {
    const [first, second] = [source('first', { afterMs: 60_000 }), source('second')];
    const { next, lab } = hedged(
      { source: { ...first.source, kind: 'sibling' } },
      { source: { ...second.source, kind } },
    );
    for (let time = 0; time < 8; time += 1) await lab.passBody(1_000_000, 400, 'sibling');
    const query = { ...QUERY, ...(isAwaited !== undefined && { isAwaited: () => isAwaited }) };
    const opening = (next() as Source).open(query, new AbortController().signal);
    first.answer();
    const reading = (await opening).body.read(() => {});
    const failing = isLeft ? rejects('UPSTREAM_TIMEOUT', reading) : undefined;
    for (let second = 0; second < seconds && first.seen.left === 0; second += 1) {
      first.send(1_000);
      if (isBusy) await lab.passBody(1_000_000, 1_000, 'sibling');
      else lab.pass(1_000);
    }
    assert.is(first.seen.left, isLeft ? 1 : 0, `${isAwaited} ${isBusy} ${seconds}`);
    await failing;
  }
});

test('asks the origin beside a source only once the patience is used up, however soon another would be asked', async () => {
  for (const [kind, patience, asked] of [
    ['root', LONG, 1],
    ['origin', LONG, 0],
    ['origin', { allMs: 0, eachMs: 0 }, 1],
  ] as const) {
    const [first, second] = [source('first', { afterMs: 1 }), source('second')];
    const { next } = hedgedWith(patience, first, { source: { ...second.source, kind } });
    const opening = open(next());
    await wait(20);
    assert.is(second.seen.asked, asked, kind);
    first.answer();
    assert.is((await opening).headers['x-name'], 'first');
  }
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

test('takes no source for silent of which bytes come before its reply can', async () => {
  // A chunk that a root tells the place of is read and checked whole first: on a slow link that takes longer than this.
  const [first, second] = [source('first', { afterMs: 1 }), source('second')];
  const opening = open(hedged(first, second).next());
  for (let time = 0; time < 50; time += 1) {
    first.hear();
    await new Promise((resolve) => setTimeout(resolve, 1));
    first.hear();
  }
  assert.is(second.seen.asked, 0);
  while (second.seen.asked === 0) await turn();
  second.answer();
  assert.is((await opening).from?.name, 'second');
});

test('asks nobody else once enough were asked twice', async () => {
  const [first, second] = [source('first', { afterMs: 1, mayBegin: false }), source('second')];
  const opening = open(hedged(first, second).next());
  while (first.seen.asked === 0) await turn();
  setTimeout(() => first.answer(), 20);
  assert.is((await opening).headers['x-name'], 'first');
  assert.is(second.seen.asked, 0);
});

test('asks the next of all when a source has had its share of the patience, however many were asked twice', async () => {
  const silent = Array.from({ length: 5 }, (_, at) => source(`${at}`, { afterMs: 60_000, mayBegin: false }));
  const last = source('last');
  const { next, hedges } = hedgedWith({ allMs: 40, eachMs: 5 }, ...silent, last);
  const opening = open(next());
  while (last.seen.asked === 0) await turn();
  last.answer();
  assert.is((await opening).from?.name, 'last');
  assert.is(hedges(), 5);
  for (const { seen } of silent) assert.equal([seen.asked, seen.overtaken, seen.aborted], [1, 1, 1]);
});

test('leaves what says nothing in the middle for the next source, and waits for the last one', async () => {
  const [first, last] = [source('first', { afterMs: 60_000 }), source('last', { afterMs: 60_000 })];
  const { next, lab, hedges } = hedged(first, last);
  for (const [one, isLeft] of [
    [first, true],
    [last, false],
  ] as const) {
    const opening = open(next());
    one.answer();
    const reading = (await opening).body.read(() => {});
    lab.pass(60_000);
    assert.equal([one.seen.left, one.seen.aborted], isLeft ? [1, 1] : [0, 0]);
    if (isLeft) await rejects('UPSTREAM_TIMEOUT', reading);
  }
  assert.is(hedges(), 1);
});

test('leaves nothing before its time once enough was left', async () => {
  const bodies: Promise<unknown>[] = [];
  const many = Array.from({ length: 12 }, (_, at) => source(`${at}`, { afterMs: 60_000 }));
  const { next, lab } = hedgedWith({ allMs: 40_000, eachMs: 20_000 }, ...many, source('last'));
  for (const one of many) {
    const opening = open(next());
    one.answer();
    bodies.push(
      rejects(
        'UPSTREAM_TIMEOUT',
        (await opening).body.read(() => {}),
      ),
    );
  }
  const left = () => many.filter(({ seen }) => seen.left > 0).length;
  lab.pass(19_750);
  assert.is(left(), 10);
  lab.pass(250);
  assert.is(left(), 12);
  await Promise.all(bodies);
});

test('leaves nothing that is passed on as it comes, and ends it with whom it is for', async () => {
  const first = source('first', { afterMs: 60_000 });
  const lab = turnedVigil();
  const upstream = new HedgedUpstream({
    upstream: { sources: () => [first.source, source('second').source] },
    vigil: lab.vigil,
    now: () => lab.clock.nowMs,
    patience: LONG,
    onHedge: () => {},
  });
  const [passed] = upstream.sources(QUERY.address);
  const leaving = new AbortController();
  const opening = (passed as Source).open(QUERY, leaving.signal);
  first.answer();
  const reading = (await opening).body.read(() => {});
  assert.is(lab.isAwake(), false);
  leaving.abort();
  await rejects('CLIENT_GONE', reading);
  assert.is(first.seen.left, 0);
});

test('leaves what is slow for the origin one at a time, and nothing that a sibling sends', async () => {
  const lab = turnedVigil();
  const kinds = ['root', 'root', 'sibling'] as const;
  const firsts = kinds.map(() => source('first', { afterMs: 60_000 }));
  const origins = kinds.map(() => source('origin'));
  let asked = 0;
  const upstream = new HedgedUpstream({
    upstream: {
      *sources() {
        const at = asked;
        asked += 1;
        yield { ...(firsts[at] as Asked).source, kind: kinds[at] as Source['kind'] };
        yield { ...(origins[at] as Asked).source, kind: 'origin' };
      },
    },
    vigil: lab.vigil,
    now: () => lab.clock.nowMs,
    patience: LONG,
    onHedge: () => {},
  });
  for (let time = 0; time < 8; time += 1)
    for (const kind of ['root', 'sibling'] as const) await lab.passBody(1_000_000, 400, kind);
  const lines = kinds.map(() =>
    upstream.sources(QUERY.address, { index: 0, chain: undefined })[Symbol.iterator](),
  );
  const readings: Promise<unknown>[] = [];
  for (const [at, first] of firsts.entries()) {
    const opening = open(lines[at]?.next().value);
    first.answer();
    readings.push((await opening).body.read(() => {}).catch((error: unknown) => error));
  }
  const left = () => firsts.map(({ seen }) => seen.left);
  const creep = () => {
    for (let second = 0; second < 8; second += 1) {
      for (const { send, seen } of firsts) if (seen.left === 0) send(1_000);
      lab.pass(1_000);
    }
    return left();
  };
  assert.equal(creep(), [1, 0, 0]);
  const straying = open(lines[0]?.next().value);
  assert.equal(creep(), [1, 0, 0]);
  origins[0]?.fail();
  await rejects('UPSTREAM_UNREACHABLE', straying);
  const rested = lab.clock.nowMs + 30_000;
  // It took its time: the others would fare no better there.
  assert.equal(creep(), [1, 0, 0]);
  while (lab.clock.nowMs < rested) creep();
  assert.equal(creep(), [1, 1, 0]);
  assert.is((await readings[0]) instanceof P2PError, true);
});

test('bears silence for longer once there was word, and passes on the words of siblings alone', async () => {
  for (const kind of ['sibling', 'root'] as const) {
    const [first, second] = [source('first', { afterMs: 1, silentMs: 60_000 }), source('second')];
    const { next } = hedged({ source: { ...first.source, kind } }, second);
    let words = 0;
    const opening = open(next(), () => {
      words += 1;
    });
    first.hear();
    first.hear();
    await wait(20);
    // Who asks no sibling tells so itself.
    if (kind === 'sibling') assert.is(words, 2);
    assert.is(second.seen.asked, 0);
    first.answer();
    await opening;
  }
});

/** Requests for a root that says over and over that it is at work, with the origin behind it. */
function atWork(count: number) {
  const lab = turnedVigil();
  const roots = Array.from({ length: count }, () => source('root', { afterMs: 1, silentMs: 20 }));
  const origins = roots.map(() => source('origin'));
  let asked = 0;
  const upstream = new HedgedUpstream({
    upstream: {
      *sources() {
        const at = asked;
        asked += 1;
        yield { ...(roots[at] as Asked).source, kind: 'root' };
        yield { ...(origins[at] as Asked).source, kind: 'origin' };
      },
    },
    vigil: lab.vigil,
    now: () => lab.clock.nowMs,
    patience: { allMs: 40, eachMs: 1 },
    onHedge: () => {},
  });
  const talking = setInterval(() => {
    for (const { hear } of roots) hear('stale');
  }, 5);
  return {
    roots,
    origins,
    clock: lab.clock,
    ask(wanted?: Wanted) {
      const [first] = upstream.sources(QUERY.address, wanted);
      return open(first);
    },
    originsAsked: () => origins.map(({ seen }) => seen.asked),
    [Symbol.dispose]: () => clearInterval(talking),
  };
}

const CHUNK: Wanted = { index: 0, chain: undefined };

test('leaves a root that has said for long that it is at work for the origin by one request at a time', async () => {
  using lab = atWork(3);
  const opened = [lab.ask(CHUNK), lab.ask(CHUNK)];
  await until('one that has left', () => lab.originsAsked().includes(1));
  await wait(100);
  assert.equal(lab.originsAsked(), [1, 0, 0]);
  // Others were sooner: nobody goes there for a while.
  lab.roots[0]?.answer();
  (await opened[0])?.body.discard();
  assert.is(lab.origins[0]?.seen.aborted, 1);
  lab.origins[0]?.fail();
  await wait(100);
  assert.equal(lab.originsAsked(), [1, 0, 0]);
  lab.clock.nowMs += 30_000;
  await until('the second that has left', () => lab.origins[1]?.seen.asked === 1);
  lab.clock.nowMs += 4_001;
  lab.origins[1]?.answer();
  (await opened[1])?.body.discard();
  // Nor was it worth it this time: for twice as long.
  opened.push(lab.ask(CHUNK));
  for (const ms of [0, 30_000]) {
    lab.clock.nowMs += ms;
    await wait(100);
    assert.equal(lab.originsAsked(), [1, 1, 0]);
  }
  lab.clock.nowMs += 10_000;
  // For longer than that none is had wait by who says nothing else.
  await until('the third that has left', () => lab.origins[2]?.seen.asked === 1);
  lab.origins[2]?.answer();
  (await opened[2])?.body.discard();
});

test('does not leave a root that says that it is at work while it brings other chunks', async () => {
  using lab = atWork(2);
  const first = lab.ask(CHUNK);
  const second = lab.ask(CHUNK);
  second.catch(() => undefined);
  lab.roots[0]?.answer();
  const reading = (await first)?.body.read(() => {});
  lab.roots[0]?.end();
  await reading;
  await wait(100);
  assert.equal(lab.originsAsked(), [0, 0]);
  lab.clock.nowMs += 6_000;
  await until('one that has left', () => lab.originsAsked()[1] === 1);
  lab.origins[1]?.answer();
  await second;
});

test('lets the next leave for the origin once that has answered what is passed on as it comes', async () => {
  using lab = atWork(2);
  const opened = [lab.ask(), lab.ask()];
  await until('one that has left', () => lab.originsAsked().includes(1));
  lab.origins[0]?.answer();
  // Nobody reads it yet.
  await opened[0];
  await until('the next that has left', () => lab.origins[1]?.seen.asked === 1);
  lab.origins[1]?.answer();
  for (const each of opened) (await each).body.discard();
});

test('lets another leave for the origin where the first never went', async () => {
  const clock = { nowMs: 0 };
  const straying = new Straying(() => clock.nowMs);
  const [first, second] = [new Line([], LONG), new Line([], LONG)];
  assert.ok(straying.begin(first, 1_000));
  clock.nowMs = 59_999;
  assert.is(straying.begin(second, 1_000), false);
  clock.nowMs = 60_000;
  assert.ok(straying.begin(second, 1_000));
});

test('leaves a root for the origin at once when it falls silent', async () => {
  const [first, second] = [source('root', { afterMs: 1, silentMs: 1 }), source('origin')];
  const { next } = hedgedWith(
    { allMs: 40, eachMs: 1 },
    { source: { ...first.source, kind: 'root' } },
    { source: { ...second.source, kind: 'origin' } },
  );
  const opening = open(next());
  first.hear('fresh');
  await until('one that has left', () => second.seen.asked === 1);
  second.answer();
  assert.is((await opening).from?.name, 'origin');
});

/** Two siblings and then a third of that kind, for a client that has waited long. */
function inHurry(kind: Source['kind']) {
  const [first, second] = [source('first', { afterMs: 50 }), source('second', { afterMs: 50 })];
  const third = source('third');
  const { next, lab } = hedged(
    { source: { ...first.source, kind: 'sibling' } },
    { source: { ...second.source, kind: 'sibling' } },
    { source: { ...third.source, kind } },
  );
  const asking = (next() as Source).open({ ...QUERY, isUrgent: () => true }, new AbortController().signal);
  return { asking, first, second, third, next, lab };
}

test('asks a root before other siblings, for a client that waits, beside one that only says that it is getting it', async () => {
  const { asking, first, second, third } = inHurry('root');
  first.hear();
  while (third.seen.asked === 0) await wait(1);
  assert.is(second.seen.asked, 0);
  third.answer();
  assert.is((await asking).headers['x-name'], 'third');
});

test('leaves a sibling in the middle for a root, for a client that waits, with no blame', async () => {
  const { asking, first, next, lab } = inHurry('root');
  first.answer();
  const reading = (await asking).body.read(() => {});
  lab.pass(250);
  await rejects('UPSTREAM_TIMEOUT', reading);
  assert.is(first.seen.left, 0);
  assert.is(next()?.name, 'third');
  assert.is(next()?.name, 'second');
});

test('asks the other siblings as ever, for a client that waits, where there is no root', async () => {
  const { asking, first, second, third } = inHurry('origin');
  while (second.seen.asked === 0) await wait(1);
  assert.is(third.seen.asked, 0);
  second.answer();
  assert.is((await asking).headers['x-name'], 'second');
  first.fail();
});

test('does not leave a sibling for the origin because a client waits', async () => {
  const { asking, first, lab } = inHurry('origin');
  first.answer();
  const reading = (await asking).body.read(() => {});
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  reading.then(over, over);
  for (let tick = 0; tick < 4; tick += 1) {
    first.send(1_000);
    lab.pass(250);
  }
  await turn();
  assert.not(isOver);
});

test('tells whoever waits that somebody is asked who waits for no sibling, as long as it takes', async () => {
  for (const kind of ['root', 'origin', 'sibling'] as const) {
    const only = source('only');
    let words = 0;
    const opening = open(hedged({ source: { ...only.source, kind } }).next(), () => {
      words += 1;
    });
    if (kind !== 'sibling') while (words < 2) await wait(10);
    only.answer();
    await opening;
    assert.is(words > 0, kind !== 'sibling');
  }
});

test.run();
