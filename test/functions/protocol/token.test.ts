import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  audienceOf,
  formatSigned,
  formatToken,
  type NodeToken,
  parseSigned,
  parseToken,
} from '../../../functions/protocol/token.ts';

const test = suite('functions/protocol/token');

const TOKEN: NodeToken = {
  issuer: 'http://10.0.0.7:19145',
  audience: '[fd00::1]:19145',
  use: 'read',
  expires: 1_763_840_000,
};
const MAC = 'A'.repeat(43);

test('reads what it writes', () => {
  const signed = formatSigned(formatToken(TOKEN), MAC);
  assert.is(
    signed,
    `v=1; iss=http://10.0.0.7:19145; aud=[fd00::1]:19145; use=read; exp=1763840000; mac=${MAC}`,
  );
  const parts = parseSigned(signed);
  assert.is(parts?.mac, MAC);
  assert.equal(parseToken(parts?.text ?? ''), TOKEN);
});

test('takes nothing else for a signed text', () => {
  const whole = formatSigned(formatToken(TOKEN), MAC);
  const others = [
    '',
    'mac=',
    whole.slice(0, -1),
    `${whole}A`,
    `${whole}\n`,
    whole.replace('; mac', ';mac'),
    whole.replace('iss', 'i\u00e4s'),
  ];
  for (const other of others) assert.is(parseSigned(other), undefined, JSON.stringify(other));
});

test('takes nothing else for a token', () => {
  const whole = formatToken(TOKEN);
  const others = [
    '',
    whole.replace('v=1', 'v=2'),
    whole.replace('read', 'admin'),
    whole.replace('exp=1', 'exp=-1'),
    whole.replace('exp=', 'exp=1e9'),
    whole.replace('http://10.0.0.7:19145', 'a; aud=b'),
    whole.replace('http://10.0.0.7:19145', 'a b'),
    whole.replace('http://10.0.0.7:19145', ''),
    `${whole}; x=1`,
    `${whole}; mac=${MAC}, ${whole}`,
    whole.toUpperCase(),
  ];
  for (const other of others) assert.is(parseToken(other), undefined, other);
});

test('names an agent by host and port, whatever the scheme', () => {
  assert.is(audienceOf('http://10.0.0.8:19145'), '10.0.0.8:19145');
  assert.is(audienceOf('https://10.0.0.8:19145/'), '10.0.0.8:19145');
  assert.is(audienceOf('http://[FD00::1]:19145'), '[fd00::1]:19145');
  assert.is(audienceOf('http://Node.Lan'), 'node.lan:80');
  assert.is(audienceOf('https://node.lan'), 'node.lan:443');
});

test.run();
