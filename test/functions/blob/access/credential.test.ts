import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { anonymityOf, credentialOf, expiryOf } from '../../../../functions/blob/access/credential.ts';
import { parseAddress } from '../../../../functions/protocol/address.ts';
import { jwt } from '../../../support/private-origin.ts';

const test = suite('functions/blob/access/credential');

const PLAIN = parseAddress('https://h.test/file');
const of = (authorization?: string) => credentialOf(PLAIN, authorization);

test('is the header and the signature of the URL, each telling credentials apart', () => {
  const signed = (signature: string) => parseAddress(`${PLAIN.url}?X-Amz-Signature=${signature}`);
  const credentials = [
    of(),
    of('Basic a'),
    of('Basic b'),
    credentialOf(signed('1'), undefined),
    credentialOf(signed('2'), undefined),
    credentialOf(signed('1'), 'Basic a'),
  ];
  assert.is(new Set(credentials).size, credentials.length);
  assert.is(of(), '');
});

test('names nobody where there is none, and where a token has an empty subject', () => {
  assert.is(anonymityOf(of()), 'bare');
  assert.is(anonymityOf(of(`Bearer ${jwt({ sub: '', access: [] })}`)), 'token');
  assert.is(anonymityOf(of(`bearer ${jwt({ sub: '' })}`)), 'token');
});

for (const [name, authorization] of Object.entries({
  'a token with a subject': `Bearer ${jwt({ sub: 'alice' })}`,
  'a token without any subject': `Bearer ${jwt({})}`,
  'a token whose subject is null': `Bearer ${jwt({ sub: null })}`,
  'a token that cannot be read': 'Bearer abc',
  'a token of other parts': `Bearer ${Buffer.from('{"sub":""}').toString('base64url')}`,
  'a token whose claims are no object': `Bearer ${jwt(null as never)}`,
  'a token that is not JSON': 'Bearer a.Yg.c',
  'Basic, even empty': 'Basic Og==',
})) {
  test(`takes nobody's word that it names nobody: ${name}`, () => {
    assert.is(anonymityOf(of(authorization)), undefined);
    assert.is(expiryOf(of(authorization)), Number.POSITIVE_INFINITY);
  });
}

test('names somebody where a URL is signed, whatever the token beside it', () => {
  const signed = parseAddress(`${PLAIN.url}?X-Amz-Signature=1`);
  assert.is(anonymityOf(credentialOf(signed, `Bearer ${jwt({ sub: '' })}`)), undefined);
  assert.is(anonymityOf(credentialOf(signed, undefined)), undefined);
});

test('ends when its token says', () => {
  assert.is(expiryOf(of(`Bearer ${jwt({ sub: 'a', exp: 1_700_000_000 })}`)), 1_700_000_000_000);
  assert.is(expiryOf(of(`Bearer ${jwt({ exp: 'soon' })}`)), Number.POSITIVE_INFINITY);
});

test.run();
