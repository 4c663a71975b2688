import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Access, type AccessPolicy, type AccessRequest } from '../../../../functions/blob/access/access.ts';
import { MiB } from '../../../../functions/blob/chunk.ts';
import { MemoryStore } from '../../../../functions/blob/memory.ts';
import { P2PError } from '../../../../functions/protocol/errors.ts';
import { FlawedStore } from '../../../support/flawed-store.ts';
import { jwt } from '../../../support/private-origin.ts';
import { told } from '../../../support/reader.ts';
import { throws } from '../../../support/rejects.ts';

const test = suite('functions/blob/access/access');

const TTL_MS = 300_000;
const DAY_MS = 24 * 60 * 60 * 1000;

function open(policy: Partial<AccessPolicy> = {}, store = new MemoryStore({ maxBytes: MiB })) {
  const clock = { ms: 1_700_000_000_000 };
  const whole = { ttlMs: TTL_MS, onOutage: 'deny', check: true, ...policy } as const;
  const restart = () => new Access(store, told(), whole, () => clock.ms);
  return { access: restart(), clock, restart, store };
}

const request = (credential = '', part: Partial<AccessRequest> = {}): AccessRequest => ({
  right: 'https://r.test/v2/app',
  identity: 'https://r.test/v2/app/blobs/x',
  credential,
  ...part,
});

const refused = (status: number, headers = {}, body = 'no') =>
  new P2PError('UPSTREAM_REFUSED', `origin answered ${status}`, {
    status,
    headers,
    body: Buffer.from(body),
  });

const AWAY = new P2PError('UPSTREAM_UNREACHABLE', 'away');
const ALICE = 'Bearer alice';
const BOB = 'Bearer bob';
const ANYONE = `Bearer ${jwt({ sub: '', exp: 1_700_000_060 })}`;

test('grants nothing to a credential that was not accepted', () => {
  const { access } = open();
  access.accept(request(ALICE));
  for (const other of [BOB, '', `${ALICE} `]) assert.is(access.granted(request(other)), undefined);
  assert.is(access.granted(request(ALICE, { right: 'https://r.test/v2/other' })), undefined);
});

test('grants a right for the whole scope, and for Access.Ttl at most', () => {
  const { access, clock } = open();
  access.accept(request(ALICE));
  const other = request(ALICE, { identity: 'another' });
  clock.ms += TTL_MS - 1;
  assert.equal(access.granted(other), { untilMs: clock.ms + 1, publicBy: undefined });
  clock.ms += 1;
  assert.is(access.granted(other), undefined);
});

test('grants nothing beyond the end of a token, nor beyond what another node said', () => {
  const { access, clock } = open();
  const token = `Bearer ${jwt({ sub: 'alice', exp: clock.ms / 1000 + 60 })}`;
  assert.is(access.accept(request(token)).untilMs, clock.ms + 60_000);
  clock.ms += 60_000;
  assert.is(access.granted(request(token)), undefined);
  const said = { untilMs: clock.ms + 1000, publicBy: undefined };
  assert.equal(access.accept(request(BOB), said), said);
  clock.ms += 1000;
  assert.is(access.granted(request(BOB)), undefined);
});

for (const [by, credential] of [
  ['bare', ''],
  ['token', ANYONE],
] as const) {
  test(`grants everyone what was read by nobody in particular (${by}), for a day, restarts included`, async () => {
    const { access, clock, restart } = open();
    access.accept(request(credential));
    await access.settled();
    const again = restart();
    assert.is(again.granted(request(BOB)), undefined);
    await again.recall(request(BOB));
    for (const asked of [access, again]) {
      for (const other of ['', ALICE, BOB]) assert.is(asked.granted(request(other))?.publicBy, by);
    }
    clock.ms += DAY_MS;
    assert.is(access.granted(request(BOB)), undefined);
    assert.is(again.granted(request('')), undefined);
  });
}

test('believes another node that something is public, and not this token where that node does not', () => {
  const { access, clock } = open();
  const untilMs = clock.ms + 5000;
  access.accept(request(ALICE), { untilMs, publicBy: 'token' });
  assert.equal(access.granted(request(BOB)), { untilMs, publicBy: 'token' });
  const elsewhere = request('', { right: 'other' });
  access.accept(elsewhere, { untilMs, publicBy: undefined });
  assert.is(access.granted({ ...elsewhere, credential: BOB }), undefined);
});

test('keeps on renewing what is public without writing it down each time', async () => {
  let writes = 0;
  const store = new (class extends MemoryStore {
    override async writeAccess(...args: Parameters<MemoryStore['writeAccess']>): Promise<void> {
      writes += 1;
      await super.writeAccess(...args);
    }
  })({ maxBytes: MiB });
  const { access, clock, restart } = open({}, store);
  for (let minute = 0; minute < 120; minute += 1) {
    access.accept(request());
    clock.ms += 60_000;
  }
  assert.is(writes, 2);
  await access.settled();
  clock.ms += DAY_MS - 2 * 60 * 60_000;
  const again = restart();
  await again.recall(request());
  assert.ok(again.granted(request()));
});

for (const status of [401, 403]) {
  test(`ends what was public when the origin answers nobody with ${status}, restarts included`, async () => {
    const { access, restart } = open();
    access.accept(request());
    access.refuse(request(), refused(status));
    await access.settled();
    const again = restart();
    await again.recall(request(BOB));
    for (const asked of [access, again]) assert.is(asked.granted(request(BOB)), undefined);
  });

  test(`takes a credential's right to the whole scope back at ${status}, and nobody else's`, () => {
    const { access } = open();
    access.accept(request(ALICE));
    access.accept(request(BOB));
    access.refuse(request(ALICE, { identity: 'another' }), refused(status));
    assert.is(access.granted(request(ALICE)), undefined);
    assert.ok(access.granted(request(BOB)));
  });
}

test('ends nothing at 404: that is about the one thing asked for', () => {
  const { access } = open();
  access.accept(request());
  access.accept(request(ALICE, { right: 'private' }));
  access.refuse(request(), refused(404));
  access.refuse(request(ALICE, { right: 'private' }), refused(404));
  assert.ok(access.granted(request(BOB)));
  assert.ok(access.granted(request(ALICE, { right: 'private' })));
});

test('leaves public what a token of nobody read, when who comes without one is refused, or with an old one', () => {
  const { access, clock } = open();
  access.accept(request(ANYONE));
  // Registries that go by tokens refuse everyone at first.
  access.refuse(request(''), refused(401));
  access.refuse(request(BOB), refused(401));
  clock.ms += 60_000;
  access.refuse(request(ANYONE), refused(401));
  assert.ok(access.granted(request(BOB)));
  clock.ms -= 60_000;
  access.refuse(request(ANYONE), refused(401));
  assert.is(access.granted(request(BOB)), undefined);
});

test('repeats a refusal for a moment, to that credential and of that one thing, where it was asked to', () => {
  const { access, clock } = open();
  const error = refused(401, { 'www-authenticate': 'Bearer realm="x"', 'set-cookie': ['session=1'] });
  access.refuse(request(BOB), error);
  assert.is(access.refusal(request(BOB)), undefined);
  access.refuse(request(BOB), error, true);
  const repeated = access.refusal(request(BOB));
  assert.is(repeated?.status, 401);
  assert.equal(repeated?.headers, { 'www-authenticate': 'Bearer realm="x"' });
  assert.is(String(Buffer.from(repeated?.body ?? [])), 'no');
  assert.is(access.refusal(request(ALICE)), undefined);
  assert.is(access.refusal(request(BOB, { identity: 'another' })), undefined);
  clock.ms += 10_000;
  assert.is(access.refusal(request(BOB)), undefined);
});

test('repeats no refusal to a credential that was accepted since', () => {
  const { access } = open({ onOutage: 'stale' });
  access.refuse(request(BOB), refused(403), true);
  access.accept(request(BOB));
  assert.is(access.refusal(request(BOB)), undefined);
  assert.ok(access.inOutage(request(BOB), AWAY));
});

test('keeps of a refusal no more than a page', () => {
  const { access } = open();
  access.refuse(request(BOB), refused(403, {}, 'x'.repeat(MiB)), true);
  assert.is(access.refusal(request(BOB))?.body?.length, 16 * 1024);
});

test('refuses in an outage who has no fresh right, and says why', () => {
  const { access, clock } = open();
  access.accept(request(ALICE));
  assert.ok(access.inOutage(request(ALICE), AWAY));
  clock.ms += TTL_MS;
  for (const credential of [ALICE, BOB, '']) {
    const error = throws('ACCESS_UNPROVEN', () => access.inOutage(request(credential), AWAY));
    assert.is(error.status, 403);
    assert.is(error.cause, AWAY);
  }
});

test('repeats in an outage what the origin last refused a credential with, in that scope too', () => {
  const { access, clock } = open();
  access.refuse(request(BOB), refused(401, {}, 'the challenge'));
  access.refuse(request(ALICE, { identity: 'gone' }), refused(404));
  clock.ms += DAY_MS;
  for (const identity of [request().identity, 'another']) {
    const error = throws('UPSTREAM_REFUSED', () => access.inOutage(request(BOB, { identity }), AWAY));
    assert.is(error.status, 401);
  }
  assert.is(
    throws('UPSTREAM_REFUSED', () => access.inOutage(request(ALICE, { identity: 'gone' }), AWAY)).status,
    404,
  );
  throws('ACCESS_UNPROVEN', () => access.inOutage(request(ALICE), AWAY));
});

test('lets the last word to a credential count on in an outage where that is set, and no other', () => {
  const { access, clock } = open({ onOutage: 'stale' });
  access.accept(request(ALICE));
  access.accept(request(BOB));
  access.refuse(request(BOB), refused(403));
  clock.ms += DAY_MS;
  assert.equal(access.inOutage(request(ALICE), AWAY), { untilMs: clock.ms, publicBy: undefined });
  throws('UPSTREAM_REFUSED', () => access.inOutage(request(BOB), AWAY));
  for (const credential of ['', 'Bearer carol']) {
    throws('ACCESS_UNPROVEN', () => access.inOutage(request(credential), AWAY));
  }
});

test('goes on serving in an outage what was public, however long ago', () => {
  const { access, clock } = open();
  access.accept(request());
  clock.ms += 10 * DAY_MS;
  assert.equal(access.inOutage(request(BOB), AWAY), { untilMs: clock.ms, publicBy: 'bare' });
});

test('passes 429 on to who has no right yet: the origin was there', () => {
  const { access } = open();
  const busy = refused(429, { 'retry-after': '7' });
  assert.is(
    throws('UPSTREAM_REFUSED', () => access.inOutage(request(BOB), busy)),
    busy,
  );
});

test('grants everything to everyone where nothing is checked', () => {
  const { access } = open({ check: false });
  assert.not(access.isChecking);
  access.refuse(request(BOB), refused(401));
  assert.ok(access.granted(request(BOB)));
});

test('does without a store that fails: it knows of nothing public, and forgets nothing of what it learns', async () => {
  const events = told();
  const store = new FlawedStore(new MemoryStore({ maxBytes: MiB }), { reads: true, writes: true });
  const policy = { ttlMs: TTL_MS, onOutage: 'deny', check: true } as const;
  const access = new Access(store, events, policy, Date.now);
  await access.recall(request());
  assert.is(access.granted(request()), undefined);
  access.accept(request());
  await access.settled();
  assert.ok(access.granted(request(BOB)));
  assert.equal(
    events.failures.map(({ event }) => event),
    ['store_read_failed', 'store_write_failed'],
  );
});

test.run();
