import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadSettings } from '../../../functions/service/config/load.ts';
import { hostsOf } from '../../../sidecar/tls/intercepted-hosts.ts';
import { eachCase } from '../../support/each-case.ts';

const test = suite('sidecar/tls/intercepted-hosts');

const ANY_HOST = { Match: '\\.bin$', Action: 'accelerate' };

/** The hosts of a node with these settings. */
function hosts(Origins: readonly string[], Rules: readonly object[] = [ANY_HOST]) {
  const text = JSON.stringify({ Origins, ProxyConfig: { Rules } });
  return hostsOf(loadSettings({ text, file: 'test', env: {} }));
}

test('are those of Origins, as far as an entry names scheme and port', () => {
  const { has } = wrapped(
    hosts([
      'registry.test',
      '*.cdn.test',
      'ported.test:5000',
      'https://secure.test:8443',
      'http://plain.test',
      '10.0.0.1',
    ]),
  );
  assert.equal(
    [
      'registry.test:443',
      'registry.test:5000',
      'a.cdn.test:443',
      'a.b.cdn.test:443',
      'ported.test:5000',
      'secure.test:8443',
      '10.0.0.1:443',
      'cdn.test:443',
      'ported.test:443',
      'secure.test:443',
      'plain.test:443',
      'plain.test:80',
      'other.test:443',
      '*.cdn.test:443',
      'registry.test.:443',
    ].filter((target) => !has(target)),
    [
      'cdn.test:443',
      'ported.test:443',
      'secure.test:443',
      'plain.test:443',
      'plain.test:80',
      'other.test:443',
      '*.cdn.test:443',
      'registry.test.:443',
    ],
  );
});

test('are none without a rule that accelerates', () => {
  const none = hosts(['registry.test'], [{ Match: '.', Action: 'deny' }]);
  assert.not.ok(wrapped(none).has('registry.test:443'));
  assert.equal(none.names, []);
});

test('are only those that rules name, where every rule that accelerates names some', () => {
  const named = hosts(
    ['*.example', 'registry.test'],
    [
      { Hosts: ['a.example', '*.b.example', 'elsewhere.test'], Action: 'accelerate' },
      { Hosts: ['registry.test'], Action: 'pass' },
    ],
  );
  const { has } = wrapped(named);
  assert.equal(
    ['a.example:443', 'x.b.example:443', 'c.example:443', 'registry.test:443', 'elsewhere.test:443'].filter(
      has,
    ),
    ['a.example:443', 'x.b.example:443'],
  );
  assert.equal(named.names, ['a.example', 'b.example']);
});

test('are, where Origins is open to all, those that rules name', () => {
  const open = hosts(['*'], [ANY_HOST, { Hosts: ['*.named.test', '*'], Action: 'accelerate' }]);
  const { has } = wrapped(open);
  assert.ok(open.isOpenToAll);
  assert.ok(has('a.named.test:443'));
  assert.not.ok(has('other.test:443'));
  assert.equal(open.names, ['named.test']);
});

test('name what an authority has to be constrained to', async () => {
  await eachCase<readonly [string[], string[]]>(
    {
      'hosts and addresses': [
        ['a.test', '10.0.0.1', '[::1]:5000'],
        ['a.test', '10.0.0.1', '::1'],
      ],
      'the suffix of a wildcard': [['*.a.test'], ['a.test']],
      'each once': [['https://a.test:1', 'a.test:2', '*.a.test'], ['a.test']],
      'none of plain HTTP': [['http://a.test'], []],
      'none of "*"': [['*'], []],
    },
    ([origins, names]) => assert.equal(hosts(origins).names, names),
  );
  assert.ok(hosts(['preset:registries']).names.includes('registry-1.docker.io'));
});

function wrapped(list: ReturnType<typeof hosts>) {
  return { has: (target: string) => list.has(new URL(`https://${target}`)) };
}

test.run();
