import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OriginAccess } from '../../../functions/service/origin-access.ts';
import { Registries } from '../../../functions/service/registries.ts';
import { eachCase } from '../../support/each-case.ts';
import { throws } from '../../support/rejects.ts';

const test = suite('functions/service/registries');

const SETTINGS = {
  Default: 'https://default.test',
  Registries: { 'Named.test': 'http://127.0.0.1:5000/', 'port.test:5000': 'https://elsewhere.test' },
};
const ORIGINS = [
  'default.test',
  'http://127.0.0.1:5000',
  'elsewhere.test',
  'registry-1.docker.io',
  'ghcr.io',
  '*.gcr.io',
];

const registriesOf = (origins = ORIGINS) => new Registries(SETTINGS, new OriginAccess(origins));
const find = (query: string, origins = ORIGINS) => registriesOf(origins).find(new URLSearchParams(query));

test('finds the default where a client names none', () => {
  assert.equal(find('n=1&last=ns'), { origin: 'https://default.test', namespace: undefined });
});

test('finds a registry by its name: where it was put, else under its own name', async () => {
  await eachCase(
    {
      'named.test': 'http://127.0.0.1:5000',
      'NAMED.test': 'http://127.0.0.1:5000',
      'port.test:5000': 'https://elsewhere.test',
      'ghcr.io': 'https://ghcr.io',
      'ghcr.io:443': 'https://ghcr.io',
      'eu.gcr.io': 'https://eu.gcr.io',
      'docker.io': 'https://registry-1.docker.io',
      'index.docker.io': 'https://registry-1.docker.io',
    },
    (origin, namespace) => assert.equal(find(`ns=${namespace}`), { origin, namespace }),
  );
});

for (const name of [
  'port.test',
  'evil.test',
  'docker.io.evil.test',
  '127.0.0.1:5000',
  '127.0.0.1',
  '169.254.169.254',
  '2130706433',
  'localhost',
  '[::1]:5000',
]) {
  test(`refuses ${name}, and names the settings that would allow it`, () => {
    assert.match(
      throws('ORIGIN_NOT_ALLOWED', () => find(`ns=${name}`)).message,
      /Origins.*Mirror\.Registries/,
    );
  });
}

test('refuses addresses that are not public even where any host is allowed', () => {
  for (const name of [
    '127.0.0.1',
    '169.254.169.254',
    '2130706433',
    '10.0.0.1:5000',
    '[::1]',
    '[fd00::1]:80',
  ]) {
    throws('ORIGIN_NOT_ALLOWED', () => find(`ns=${name}`, ['*']));
  }
});

test('refuses a default that is not listed', () => {
  throws('ORIGIN_NOT_ALLOWED', () => find('', ['ghcr.io']));
});

for (const query of [
  'ns=',
  'ns',
  'ns=a/b',
  'ns=http://ghcr.io',
  'ns=user@ghcr.io',
  'ns=ghcr.io?x',
  'ns=ghcr.io%23',
  'ns=ghcr.io%5Cevil',
  'ns=ghcr.io%00',
  'ns=ghcr.io%20',
  'ns=gh%2525cr.io',
  'ns=ghcr.io:99999',
  'ns=-ghcr.io',
  'ns=ghcr.io&ns=evil.test',
  'ns=ghcr.io&n%73=ghcr.io',
]) {
  test(`takes ${query} for no name`, () => {
    throws('ADDRESS_INVALID', () => find(query));
  });
}

test.run();
