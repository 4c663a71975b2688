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

test('shows a token more than once, but never one that is about to end', () => {
  const { clock, to } = node();
  const first = to('10.0.0.8:19145');
  clock.ms += 29 * SECOND;
  assert.is(to('10.0.0.8:19145'), first);
  assert.is.not(to('10.0.0.9:19145'), first);
  clock.ms += SECOND;
  assert.is.not(to('10.0.0.8:19145'), first);
});

test('looks at no token that is longer than any of ours', () => {
  const { tokens } = node([NEW_SECRET], `http://${'a'.repeat(2000)}:1`);
  const token = tokens.issue('10.0.0.8:19145', 'read');
  assert.match(faultOf(tokens.verify(token, ME, 'read')), 'not signed');
});

test.run();
