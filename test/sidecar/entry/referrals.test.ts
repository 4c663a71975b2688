import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAddress } from '../../../functions/protocol/address.ts';
import { hasCode } from '../../../functions/protocol/errors.ts';
import { FanOut } from '../../../functions/service/fan-out.ts';
import { Referrals, type ReferralsParts } from '../../../sidecar/entry/referrals.ts';
import { memberOf } from '../../support/members.ts';

const test = suite('sidecar/entry/referrals');

const CHUNK = 1000;
const address = parseAddress('http://origin.test/some/blob?x=1');
const urlOf = (name: string): string => memberOf(name).url;

function referrals(parts: Partial<ReferralsParts> = {}) {
  const one = new Referrals({
    fanOut: new FanOut({ maxChildren: 1, sending: () => 0, isMember: () => true, now: () => 0 }),
    apiKey: 'key',
    chunkBytes: CHUNK,
    maxRequests: 10,
    isDraining: () => false,
    standIns: () => [],
    roots: ['http://root.test:19145'],
    isAwaiting: () => false,
    coming: () => undefined,
    onReferral: () => {},
    ...parts,
  });
  const ask = (name: string | undefined, headers: Record<string, string> = {}) => {
    const response = new EventEmitter();
    const node = name === undefined ? undefined : urlOf(name);
    const request = {
      method: 'GET',
      headers: { range: 'bytes=2000-2999', 'x-p2p-agent': node, ...headers },
    } as unknown as IncomingMessage;
    const location = one.of({
      ...{ request, address, node, chain: undefined },
      response: response as unknown as ServerResponse,
    });
    return { location, end: () => response.emit('close') };
  };
  return {
    ask,
    sending: () => one.sending,
    codeOf: (name: string | undefined, headers: Record<string, string> = {}) =>
      caught(() => ask(name, headers)),
  };
}

function caught(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return ['DRAINING', 'LOOP_DETECTED', 'OVERLOADED'].find((code) => hasCode(error, code as 'DRAINING'));
  }
}

test('sends those that come later on to a child, and to that alone, for the very same blob', () => {
  const { ask } = referrals();
  assert.is(ask('a').location, undefined);
  assert.is(ask('b').location, `${urlOf('a')}/key/http://origin.test/some/blob?x=1`);
});

test('answers clients, and what is not for one chunk, however many children there are', () => {
  const { ask } = referrals();
  ask('a');
  for (const range of ['bytes=2000-3000', 'bytes=2000-', 'bytes=-5', 'bytes=2000-2001,2500-2600', 'x']) {
    assert.is(ask('b', { range }).location, undefined, range);
  }
  assert.is(ask(undefined).location, undefined);
});

test('answers who goes on from the middle of a chunk, and counts whom it is answering', () => {
  const one = referrals();
  one.ask('a').end();
  assert.is(one.sending(), 0);
  const { location, end } = one.ask('b', { range: 'bytes=2001-2999' });
  assert.is(location, undefined);
  assert.is(one.sending(), 1);
  end();
  assert.is(one.sending(), 0);
});

test('answers who goes on in the middle of a chunk only where it may have more of it: else both could wait in a circle', () => {
  const MIDDLE = { range: 'bytes=2400-2999' };
  for (const [coming, code] of [
    [{ filled: 400, from: 'sibling' }, 'LOOP_DETECTED'],
    [{ filled: 0, from: undefined }, 'LOOP_DETECTED'],
    [{ filled: 401, from: 'sibling' }, undefined],
    // Roots and origins wait for no node.
    [{ filled: 0, from: 'root' }, undefined],
    [undefined, undefined],
  ] as const) {
    const asked: number[] = [];
    const { codeOf } = referrals({
      coming(_, index) {
        asked.push(index);
        return coming;
      },
    });
    assert.is(codeOf('a', MIDDLE), code, JSON.stringify(coming));
    assert.is(codeOf('b'), undefined, 'from the start on');
    assert.equal(asked, [2]);
  }
});

test('sends no node back to where its request has been', () => {
  const { ask } = referrals();
  ask('a');
  assert.is(ask('b', { 'x-p2p-agent': `${urlOf('a')} ${urlOf('b')}` }).location, undefined);
});

test('sends nodes on to who stands in while it drains, else to a root, and refuses clients', () => {
  const { ask, codeOf } = referrals({
    isDraining: () => true,
    standIns: () => ['a', 'b'].map((name) => memberOf(name)),
  });
  assert.ok(ask('c').location?.startsWith(`${urlOf('a')}/`));
  assert.ok(ask('a').location?.startsWith(`${urlOf('b')}/`));
  assert.is(codeOf(undefined), 'DRAINING');
  const alone = referrals({ isDraining: () => true });
  assert.ok(alone.ask('c').location?.startsWith('http://root.test:19145/'));
});

test('sends nodes on when it answers as many as it may, and never clients', () => {
  const { ask } = referrals({ maxRequests: 1, standIns: () => [memberOf('z')] });
  const first = ask('a');
  assert.is(first.location, undefined);
  assert.ok(ask('b').location?.startsWith(`${urlOf('z')}/`));
  assert.is(ask(undefined).location, undefined);
  first.end();
  assert.is(ask('a').location, undefined);
});

test('has a node that was sent here go back while it answers too many, and answers one that was not', () => {
  const sending = () => 18;
  const { codeOf } = referrals({
    fanOut: new FanOut({ maxChildren: 4, sending, isMember: () => true, now: () => 0 }),
  });
  assert.is(codeOf('a', { 'x-p2p-hops': '1' }), 'OVERLOADED');
  assert.is(codeOf('a'), undefined);
});

test('refuses a node that it waits for itself', () => {
  const { codeOf } = referrals({ isAwaiting: (node, _, index) => node === urlOf('a') && index === 2 });
  assert.is(codeOf('a'), 'LOOP_DETECTED');
  assert.is(codeOf('b'), undefined);
});

test.run();
