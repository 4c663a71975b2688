import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { P2PError } from '../../../functions/protocol/errors.ts';
import type { Subject, Symptoms } from '../../../sidecar/upstream/vigil.ts';
import { handBody } from '../../support/hand-body.ts';
import { rejects } from '../../support/rejects.ts';
import { turnedVigil } from '../../support/turned-vigil.ts';

const test = suite('sidecar/upstream/vigil');

const LENGTH = 1_000_000;

/** A body that is being read under a vigil, and what the vigil last found. */
function begin(
  { vigil }: ReturnType<typeof turnedVigil>,
  examine: Subject['examine'] = () => undefined,
  kind: Subject['kind'] = 'sibling',
  isRelay = false,
) {
  const hand = handBody();
  let last: Symptoms | undefined;
  const watched = vigil.watch(hand.body, {
    kind,
    length: LENGTH,
    isRelay,
    examine(symptoms) {
      last = symptoms;
      return examine(symptoms);
    },
  });
  const reading = watched.read(() => {});
  return { ...hand, reading, watched, symptoms: () => last };
}

/** So many bodies that took so long each, piece by piece. */
async function usually(lab: ReturnType<typeof turnedVigil>, times: number, ms: number): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    const { send, end, reading } = begin(lab);
    for (let part = 0; part < 4; part += 1) {
      lab.pass(ms / 4);
      send(LENGTH / 4);
    }
    end();
    await reading;
  }
}

test('says that the link has room once clearly less comes than came at best, and until as much does again', () => {
  const lab = turnedVigil();
  const { send } = begin(lab);
  const come = (bytes: number) => {
    for (let tick = 0; tick < 20; tick += 1) {
      send(bytes);
      lab.pass(250);
    }
    return lab.vigil.hasRoom;
  };
  assert.is(lab.vigil.hasRoom, false);
  assert.equal([come(1_000), come(900), come(600), come(900), come(100)], [false, false, true, false, true]);
});

test('says so of no time in which it did not look, or had all wait itself', async () => {
  const lab = turnedVigil();
  for (let body = 0; body < 100; body += 1) {
    const { send, end, reading } = begin(lab);
    lab.clock.nowMs += 80;
    send(80_000);
    end();
    await reading;
  }
  const { send } = begin(lab);
  const rooms = new Set<boolean>();
  for (let tick = 0; tick < 100; tick += 1) {
    lab.clock.isHeld = tick > 50 && tick % 5 > 0;
    send(250_000);
    lab.pass(250);
    rooms.add(lab.vigil.hasRoom);
  }
  assert.equal([...rooms], [false]);
});

test('tells a body that says nothing for three seconds, of a root for two', () => {
  for (const [kind, ms] of [
    ['sibling', 3_000],
    ['root', 2_000],
  ] as const) {
    const lab = turnedVigil();
    const { send, symptoms } = begin(lab, undefined, kind);
    send(10);
    lab.pass(250 + ms - 250);
    assert.equal([symptoms()?.silentMs, symptoms()?.isSilent], [ms - 250, false]);
    lab.pass(250);
    assert.equal([symptoms()?.silentMs, symptoms()?.isSilent], [ms, true]);
    send(10);
    lab.pass(250);
    assert.equal([symptoms()?.silentMs, symptoms()?.isSilent], [0, false]);
  }
});

test('takes nobody for silent while others bring something, nor until a second after', () => {
  const lab = turnedVigil();
  const [silent, other] = [begin(lab), begin(lab)];
  for (let passed = 0; passed < 20; passed += 1) {
    other.send(10);
    lab.pass(250);
    assert.equal([silent.symptoms()?.silentMs, silent.symptoms()?.isSilent], [0, false]);
  }
  lab.pass(750);
  assert.equal([silent.symptoms()?.silentMs, silent.symptoms()?.isSilent], [750, false]);
  lab.pass(250);
  assert.equal([silent.symptoms()?.silentMs, silent.symptoms()?.isSilent], [6_000, true]);
  assert.is(other.symptoms()?.isSilent, false);
});

test('bears the pauses that bodies usually make', async () => {
  const lab = turnedVigil();
  await usually(lab, 8, 20_000);
  const { symptoms } = begin(lab);
  lab.pass(4_500);
  assert.is(symptoms()?.isSilent, false);
  lab.pass(500);
  assert.is(symptoms()?.isSilent, true);
});

test('tells a body that is several times slower than others, once there are enough to compare with', async () => {
  const lab = turnedVigil();
  await usually(lab, 7, 400);
  const early = begin(lab);
  early.send(1_000);
  lab.pass(2_500);
  assert.is(early.symptoms()?.isSlow, false);
  early.end();
  await early.reading;
  await usually(lab, 1, 400);
  const slow = begin(lab);
  const slightly = begin(lab);
  for (let second = 0; second < 2; second += 1) {
    slow.send(100_000);
    slightly.send(420_000);
    lab.pass(1_000);
  }
  assert.equal([slow.symptoms()?.isSlow, slightly.symptoms()?.isSlow], [true, false]);
  // What is left of it would come sooner than anything from elsewhere.
  slow.send(700_000);
  lab.pass(250);
  assert.is(slow.symptoms()?.isSlow, false);
});

test('does not compare roots with siblings', async () => {
  const lab = turnedVigil();
  await usually(lab, 20, 400);
  const { send, symptoms } = begin(lab, undefined, 'root');
  send(1_000);
  lab.pass(5_000);
  assert.is(symptoms()?.isSlow, false);
});

test('fails what is given up as it is told to, and only that', async () => {
  const lab = turnedVigil();
  const given = begin(lab, ({ isSilent }) => (isSilent ? new P2PError('UPSTREAM_TIMEOUT', 'x') : undefined));
  const kept = begin(lab);
  lab.pass(5_000);
  given.end(new P2PError('CLIENT_GONE', 'aborted'));
  await rejects('UPSTREAM_TIMEOUT', given.reading);
  kept.end(new P2PError('UPSTREAM_TRUNCATED', 'x'));
  await rejects('UPSTREAM_TRUNCATED', kept.reading);
  assert.is(lab.isAwake(), false);
});

test('counts no time in which this node itself had the body wait, or was not running', async () => {
  const lab = turnedVigil();
  const hand = handBody();
  let last: Symptoms | undefined;
  const examine: Subject['examine'] = (symptoms) => {
    last = symptoms;
    return undefined;
  };
  const watched = lab.vigil.watch(hand.body, { kind: 'sibling', length: undefined, isRelay: false, examine });
  let goOn: () => void = () => {};
  const reading = watched.read(
    () =>
      new Promise<void>((resolve) => {
        goOn = resolve;
      }),
  );
  const busy = hand.send(10);
  lab.pass(60_000);
  assert.is(last, undefined);
  goOn();
  await busy;
  lab.clock.isHeld = true;
  lab.pass(60_000);
  assert.is(last, undefined);
  lab.clock.isHeld = false;
  lab.pass(250);
  lab.clock.nowMs += 3_600_000;
  lab.pass(250);
  assert.is(last?.silentMs, 500);
  hand.end();
  await reading;
});

test('calls a relay slow later than others, and not at all while it only says that it waits itself', async () => {
  for (const [isRelay, bytes, untilMs] of [
    [false, 1_000, 2_000],
    [true, 1_000, 5_000],
    [true, 1, undefined],
  ] as const) {
    const lab = turnedVigil();
    await usually(lab, 8, 400);
    const { send, symptoms } = begin(lab, undefined, 'sibling', isRelay);
    send(10_000);
    let slowMs: number | undefined;
    for (let passedMs = 250; passedMs <= 20_000 && slowMs === undefined; passedMs += 250) {
      send(bytes);
      lab.pass(250);
      if (symptoms()?.isSlow) slowMs = passedMs;
    }
    assert.is(slowMs, untilMs);
  }
});

test.run();
