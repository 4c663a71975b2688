import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT_AUDIENCE } from '../../../functions/protocol/token.ts';
import { ClusterKeys } from '../../../functions/service/cluster-keys.ts';
import { NodeTokens } from '../../../functions/service/node-tokens.ts';
import { NEW_SECRET, OLD_SECRET } from '../../support/secrets.ts';

const test = suite('functions/service/node-tokens');

const SECOND = 1000;
const ME = new Set(['10.0.0.8:19145']);

/** A node with a clock of its own. */
function node(secrets: readonly string[] = [NEW_SECRET], self = 'http://10.0.0.7:19145') {
  const clock = { ms: 1_763_840_000_000 };
  const tokens = new NodeTokens({ keys: ClusterKeys.of(secrets) as ClusterKeys, self, now: () => clock.ms });
  return { clock, tokens, to: (audience: string) => tokens.issue(audience, 'read') };
}

const faultOf = (verdict: object): string => ('fault' in verdict ? String(verdict.fault) : 'none');

test('believes a token of a node with the same secret, and tells whose it is', () => {
  const token = node().to('10.0.0.8:19145');
  assert.equal(node().tokens.verify(token, ME, 'read'), { issuer: 'http://10.0.0.7:19145' });
});

test('believes a token as often as it is shown, and is not fooled by one that begins like it', () => {
  const { tokens } = node();
  const token = node().to('10.0.0.8:19145');
  for (let time = 0; time < 3; time += 1) assert.ok('issuer' in tokens.verify(token, ME, 'read'));
  const altered = token.replace('10.0.0.7', '10.0.0.9');
  assert.match(faultOf(tokens.verify(altered, ME, 'read')), 'not signed');
});

test('refuses a token that was meant for another node, or for a root', () => {
  const { tokens } = node();
  for (const audience of ['10.0.0.9:19145', '10.0.0.8:19146', ROOT_AUDIENCE]) {
    assert.match(faultOf(tokens.verify(node().to(audience), ME, 'read')), `the token is for ${audience}`);
  }
  assert.match(
    faultOf(tokens.verify(node().to('10.0.0.8:19145'), new Set([ROOT_AUDIENCE]), 'read')),
    'is for',
  );
});

test('refuses a token for reading where something is to be changed, and the other way round', () => {
  const { tokens } = node();
  assert.match(faultOf(tokens.verify(tokens.issue('10.0.0.8:19145', 'read'), ME, 'write')), 'to read');
  assert.match(faultOf(tokens.verify(tokens.issue('10.0.0.8:19145', 'write'), ME, 'read')), 'to write');
});

test('refuses a token by a secret that it does not know, or does not know any more', () => {
  const token = node([OLD_SECRET]).to('10.0.0.8:19145');
  assert.match(faultOf(node().tokens.verify(token, ME, 'read')), 'not signed by a Secret');
  assert.ok('issuer' in node([NEW_SECRET, OLD_SECRET]).tokens.verify(token, ME, 'read'));
});

test('refuses a token that has ended, however often it believed it before', () => {
  const { tokens, clock } = node();
  const token = node().to('10.0.0.8:19145');
  clock.ms += 360 * SECOND;
  assert.ok('issuer' in tokens.verify(token, ME, 'read'));
  clock.ms += SECOND;
  assert.match(faultOf(tokens.verify(token, ME, 'read')), 'clocks');
});

test('bears clocks that differ by five minutes, and no more, in either direction', () => {
  for (const [skewMs, isBorne] of [
    [-300 * SECOND, true],
    [300 * SECOND, true],
    [-301 * SECOND, false],
    [361 * SECOND, false],
  ] as const) {
    const { tokens, clock } = node();
    clock.ms += skewMs;
    const verdict = tokens.verify(node().to('10.0.0.8:19145'), ME, 'read');
    assert.is('issuer' in verdict, isBorne, `${skewMs}`);
  }
});

const DAY = 86_400 * SECOND;

/** What a node whose clock is ahead says of that to whoever shows it a token. */
function refused(aheadMs: number, token: string): string {
  const { tokens, clock } = node();
  clock.ms += aheadMs;
  const verdict = tokens.verify(token, ME, 'read');
  return 'clock' in verdict ? String(verdict.clock) : '';
}

test('has a node that shows a token of another time know by how much, and takes the one it shows then', () => {
  for (const aheadMs of [3600 * SECOND, -3600 * SECOND, DAY, -DAY]) {
    const { tokens, to } = node();
    const token = to('10.0.0.8:19145');
    assert.is(tokens.aheadOf(token, refused(aheadMs, token)), aheadMs);
    const judge = node();
    judge.clock.ms += aheadMs;
    assert.ok('issuer' in judge.tokens.verify(tokens.issue('10.0.0.8:19145', 'read', aheadMs), ME, 'read'));
    assert.is(to('10.0.0.8:19145'), token, 'others are shown what they were');
  }
});

test('believes no word on a clock but that of a node of the cluster, for this very token, within a day', () => {
  const { tokens, to, clock } = node();
  const token = to('10.0.0.8:19145');
  const word = refused(3600 * SECOND, token);
  assert.is(tokens.aheadOf(token, refused(DAY + SECOND, token)), undefined);
  assert.is(tokens.aheadOf(token, word.replace(/now=\d/, 'now=9')), undefined);
  assert.is(tokens.aheadOf(token, word.replace(/; mac=.*/, '')), undefined);
  assert.is(tokens.aheadOf(token, ''), undefined);
  assert.is(node([OLD_SECRET]).tokens.aheadOf(token, word), undefined);
  clock.ms += 30 * SECOND;
  assert.is(tokens.aheadOf(to('10.0.0.8:19145'), word), undefined, 'said of another token');
  // What is not worth anything at any time is told nothing of the time.
  for (const strange of [node([OLD_SECRET]).to('10.0.0.8:19145'), to('10.0.0.9:19145'), 'v=1']) {
    assert.is(refused(3600 * SECOND, strange), '');
  }
});

test('shows a token more than once, but never one that is about to end', () => {
  const { clock, to } = node();
  const first = to('10.0.0.8:19145');
  clock.ms += 29 * SECOND;
  assert.is(to('10.0.0.8:19145'), first);
  assert.is.not(to('10.0.0.9:19145'), first);
  clock.ms += SECOND;
  assert.is.not(to('10.0.0.8:19145'), first);
});

test('shows none of what it made while its clock was ahead, once that is set right', () => {
  for (const aheadMs of [0, -3600 * SECOND]) {
    const { clock, tokens } = node();
    clock.ms += 3600 * SECOND;
    tokens.issue('10.0.0.8:19145', 'read', aheadMs);
    clock.ms -= 3600 * SECOND;
    const token = tokens.issue('10.0.0.8:19145', 'read', aheadMs);
    const judge = node();
    judge.clock.ms += aheadMs;
    assert.ok('issuer' in judge.tokens.verify(token, ME, 'read'), `${aheadMs}`);
  }
});

test('looks at no token that is longer than any of ours', () => {
  const { tokens } = node([NEW_SECRET], `http://${'a'.repeat(2000)}:1`);
  const token = tokens.issue('10.0.0.8:19145', 'read');
  assert.match(faultOf(tokens.verify(token, ME, 'read')), 'not signed');
});

test.run();
