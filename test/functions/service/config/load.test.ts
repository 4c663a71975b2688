import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hasCode, type P2PError } from '../../../../functions/protocol/errors.ts';
import { readSettings } from '../../../../functions/service/config/file.ts';
import { loadSettings } from '../../../../functions/service/config/load.ts';
import { NEW_SECRET, OLD_SECRET } from '../../../support/secrets.ts';

const test = suite('functions/service/config/load');

const DADIP2P_FILE = `
LogLevel: "info"
ProxyConfig:
  Port: 19245
  ProxyHTTPS: true
  CertConfig:
    CertPath: "ca.crt"
    KeyPath: "ca.key"
P2PConfig:
  RunMode: "root"
  RootList: []
  NodeIP: ""
  DetectAddr: "8.8.8.8:80"
  ServeBySSL: false
  Port: 19145
  APIKey: "dadip2p"
  CacheConfig:
    FileCacheSize: 4294967296
    FileCachePath: "/tmp/cache"
    MemCacheSize: 1073741824
  PrefetchConfig:
    PrefetchEnable: true
    PrefetchThread: 64
`;

type Env = Record<string, string>;

const load = (text: string | undefined, env: Env = {}) => loadSettings({ text, file: 'node.yaml', env });

function refusal(text: string | undefined, env: Env = {}): string {
  try {
    load(text, env);
  } catch (error) {
    assert.ok(hasCode(error, 'CONFIG_INVALID'), String(error));
    return (error as P2PError).message;
  }
  throw new Error('the configuration was accepted');
}

test("takes DadiP2P's own file unchanged", () => {
  const { P2PConfig, ProxyConfig } = load(DADIP2P_FILE);
  assert.is(P2PConfig.RunMode, 'root');
  assert.is(P2PConfig.CacheConfig.FileCacheSize, 4_294_967_296);
  assert.is(P2PConfig.CacheConfig.FileCachePath, '/tmp/cache');
  assert.is(P2PConfig.CacheConfig.MemCacheSize, 1_073_741_824);
  assert.is(P2PConfig.PrefetchConfig.PrefetchThread, 64);
  assert.is(ProxyConfig.CertConfig.CertPath, 'ca.crt');
});

test('fills in defaults, sizes in bytes and times in milliseconds', () => {
  const settings = load(undefined);
  assert.is(settings.P2PConfig.RunMode, 'agent');
  assert.is(settings.ProxyConfig.Host, '127.0.0.1');
  assert.equal(settings.ProxyConfig.Rules, [{ Preset: 'oci' }]);
  assert.is(settings.P2PConfig.CacheConfig.ChunkSize, 4_194_304);
  assert.is(settings.P2PConfig.CacheConfig.MinFree, 268_435_456);
  assert.equal(settings.Origins, ['preset:registries']);
  const { Connect, FirstByte, Idle, Drain, RequestHead } = settings.Timeouts;
  assert.equal([Connect, FirstByte, Idle, Drain, RequestHead], [2000, 10_000, 10_000, 30_000, 30_000]);
  assert.equal([settings.Limits.Upload, settings.Limits.Download], [0, 0]);
  assert.is('S3' in settings, false);
});

test('gives each caller settings of its own', () => {
  (load(undefined).Origins as string[]).push('changed.example');
  assert.equal(load(undefined).Origins, ['preset:registries']);
});

test('takes roots as host:port and as URLs', () => {
  const text = 'P2PConfig: { RootList: ["10.0.0.1:19145", "https://root.example/", "[::1]:19145"] }';
  assert.is(load(text).P2PConfig.RootList.length, 3);
});

test('takes origins as URL, host, suffix and preset', () => {
  const text =
    'Origins: ["https://a.example:8443", b.example, "c.example:5000", "*.d.example", "*", preset:registries]';
  assert.is(load(text).Origins.length, 6);
});

test('takes a key without a value as if it were not there', () => {
  const settings = load('S3:\nP2PConfig:\n  RootList:\n  Port: 1\n');
  assert.is('S3' in settings, false);
  assert.equal(settings.P2PConfig.RootList, []);
});

test('lets the environment win over the file, and a flag over both', () => {
  const overrides = [{ path: ['P2PConfig', 'Port'], value: 3, source: '--p2p-port' }];
  const env = { DADIP2P_P2PConfig__Port: '2', DADIP2P_Admin__Port: '4' };
  const settings = loadSettings({ text: 'P2PConfig: { Port: 1 }', file: 'node.yaml', env, overrides });
  assert.is(settings.P2PConfig.Port, 3);
  assert.is(settings.Admin.Port, 4);
});

test('reads lists, sizes, sections and digits for a text out of the environment', () => {
  const settings = load(undefined, {
    DADIP2P_Origins: '[a.example, b.example]',
    DADIP2P_P2PConfig__CacheConfig__FileCacheSize: '8GiB',
    DADIP2P_P2PConfig__APIKey: '0042',
    DADIP2P_S3__Prefix: 'p/',
    DADIP2P_S3: '{ Endpoint: "http://127.0.0.1:9000", Bucket: chunks }',
    OTHER: 'left alone',
  });
  assert.equal(settings.Origins, ['a.example', 'b.example']);
  assert.is(settings.P2PConfig.CacheConfig.FileCacheSize, 8_589_934_592);
  assert.is(settings.P2PConfig.APIKey, '0042');
  assert.equal(settings.S3, {
    Endpoint: 'http://127.0.0.1:9000',
    Bucket: 'chunks',
    Prefix: 'p/',
    Region: 'us-east-1',
  });
});

// What is given, the path that is told, and the remedy that is told with it.
const FAULTS: readonly [name: string, text: string, path: string, remedy: string][] = [
  [
    'a port that is too high',
    'P2PConfig: { Port: 70000 }',
    'P2PConfig.Port',
    'must be ≤ 65535, got 70000 (line 1)',
  ],
  ['a negative port', 'Admin:\n  Port: -1', 'Admin.Port', 'must be ≥ 0, got -1 (line 2)'],
  ['a port in words', 'Admin: { Port: http }', 'Admin.Port', 'must be a whole number, got "http"'],
  ['a port with a fraction', 'Admin: { Port: 1.5 }', 'Admin.Port', 'must be a whole number, got 1.5'],
  ['a misspelt key', 'P2PConfig: { Prot: 1 }', 'P2PConfig.Prot', 'did you mean P2PConfig.Port?'],
  ['a key in lower case', 'loglevel: info', 'loglevel', 'did you mean LogLevel?'],
  [
    'a key in the wrong section',
    'ChunkSize: 4MiB',
    'ChunkSize',
    'did you mean P2PConfig.CacheConfig.ChunkSize?',
  ],
  ['a key like no other', 'Admin: { Colour: 1 }', 'Admin.Colour', 'unknown key; known here: Host, Port'],
  [
    'an unknown run mode',
    'P2PConfig: { RunMode: rot }',
    'P2PConfig.RunMode',
    'one of root, agent, got "rot"; did you mean root?',
  ],
  [
    'an unknown log level',
    'LogLevel: verbose',
    'LogLevel',
    'must be one of trace, debug, info, warn, error, panic',
  ],
  ['yes for true', 'OriginFallback: yes', 'OriginFallback', 'must be true or false, got "yes"'],
  ['a text for a list', 'P2PConfig: { RootList: "a:1" }', 'P2PConfig.RootList', 'must be a list, got "a:1"'],
  ['a value for a section', 'Timeouts: 10s', 'Timeouts', 'must be a section of settings, got "10s"'],
  ['a list for a text', 'P2PConfig: { APIKey: [a] }', 'P2PConfig.APIKey', 'must be a text, got a list'],
  [
    'a root without a port',
    'P2PConfig: { RootList: [root.example] }',
    'P2PConfig.RootList[0]',
    'must be host:port or an http(s):// URL',
  ],
  [
    'a size in unknown units',
    'P2PConfig: { CacheConfig: { FileCacheSize: 4 parsecs } }',
    'P2PConfig.CacheConfig.FileCacheSize',
    'a size such as 4GiB',
  ],
  [
    'a negative size',
    'P2PConfig: { CacheConfig: { MemCacheSize: -1 } }',
    'P2PConfig.CacheConfig.MemCacheSize',
    'must be bytes or a size',
  ],
  [
    'a rate that may be bits or bytes',
    'Limits: { Upload: 50Mb/s }',
    'Limits.Upload',
    'must be bytes a second or a rate such as 50MB/s, 64MiB/s or 200Mbit, got "50Mb/s"',
  ],
  [
    'a rate that has lost its unit',
    'Limits: { Download: 200 }',
    'Limits.Download',
    'must be 0 for no limit, or ≥ 100KB/s, got 200',
  ],
  [
    'a chunk that is no power of two',
    'P2PConfig: { CacheConfig: { ChunkSize: 3MiB } }',
    'P2PConfig.CacheConfig.ChunkSize',
    'must be a power of two, got "3MiB"',
  ],
  [
    'a chunk that is too small',
    'P2PConfig: { CacheConfig: { ChunkSize: 4k } }',
    'P2PConfig.CacheConfig.ChunkSize',
    'must be ≥ 64KiB, got "4k"',
  ],
  [
    'a chunk that is too large',
    'P2PConfig: { CacheConfig: { ChunkSize: 128MiB } }',
    'P2PConfig.CacheConfig.ChunkSize',
    'must be ≤ 64MiB',
  ],
  [
    'a cache smaller than a chunk',
    'P2PConfig: { CacheConfig: { FileCacheSize: 1MiB } }',
    'P2PConfig.CacheConfig.FileCacheSize',
    '0 turns it off',
  ],
  [
    'a time in unknown units',
    'Timeouts: { Idle: 1 day }',
    'Timeouts.Idle',
    'a time such as 10s, 500ms or 5m, got "1 day"',
  ],
  ['no time at all', 'Timeouts: { Connect: 0 }', 'Timeouts.Connect', 'must be ≥ 1ms, got 0'],
  ['a time that no timer keeps', 'Timeouts: { Drain: 1000h }', 'Timeouts.Drain', 'must be ≤'],
  ['a key with a slash', 'P2PConfig: { APIKey: a/b }', 'P2PConfig.APIKey', 'must be one path segment'],
  [
    'a rule that does not compile',
    'ProxyConfig: { Rules: [{ Match: "(", Action: pass }] }',
    'ProxyConfig.Rules[0].Match',
    'must be an RE2 expression: ',
  ],
  [
    'a rule without an action',
    'ProxyConfig: { Rules: [{ Match: x }] }',
    'ProxyConfig.Rules[0].Action',
    'is required here',
  ],
  [
    'an unknown action',
    'ProxyConfig: { Rules: [{ Match: x, Action: accelerat }] }',
    'ProxyConfig.Rules[0].Action',
    'did you mean accelerate?',
  ],
  [
    'a rule that says of nothing what to do',
    'ProxyConfig: { Rules: [{ Action: pass }] }',
    'ProxyConfig.Rules[0]',
    'needs Preset, Match or Hosts',
  ],
  [
    'a preset with more beside it',
    'ProxyConfig: { Rules: [{ Preset: oci, Action: deny }] }',
    'ProxyConfig.Rules[0].Action',
    'cannot stand beside Preset',
  ],
  [
    'a preset of rules that does not exist',
    'ProxyConfig: { Rules: [{ Preset: hugingface }] }',
    'ProxyConfig.Rules[0].Preset',
    'did you mean huggingface?',
  ],
  [
    'an expression that only backtracking can match',
    'ProxyConfig: { Rules: [{ Match: "(?=a)b", Action: pass }] }',
    'ProxyConfig.Rules[0].Match',
    'must be an RE2 expression: ',
  ],
  [
    'a host of a rule with a path',
    'ProxyConfig: { Rules: [{ Hosts: [a.test/x], Action: pass }] }',
    'ProxyConfig.Rules[0].Hosts[0]',
    'must be a host, host:port, *.suffix or *',
  ],
  [
    'parameters to ignore that are neither a list nor true',
    'ProxyConfig: { Rules: [{ Hosts: [a.test], Action: pass, IgnoreQuery: 5 }] }',
    'ProxyConfig.Rules[0].IgnoreQuery',
    'must be true, false or a list',
  ],
  [
    'a reverse route by host and path',
    'ProxyConfig: { Reverse: [{ Host: a.test, Path: /a/, Origin: "http://b.test" }] }',
    'ProxyConfig.Reverse[0]',
    'needs one of Host and Path',
  ],
  [
    'a reverse route whose path does not end',
    'ProxyConfig: { Reverse: [{ Path: /a, Origin: "http://b.test" }] }',
    'ProxyConfig.Reverse[0].Path',
    'must begin and end with /',
  ],
  ['an unknown preset', 'Origins: [preset:registry-list]', 'Origins[0]', 'known ones: registries'],
  [
    'an origin with a path',
    'Origins: ["https://a.example/v2/"]',
    'Origins[0]',
    'must be scheme://host[:port] without a path',
  ],
  ['S3 without a bucket', 'S3: { Endpoint: "http://127.0.0.1:9000" }', 'S3.Bucket', 'is required here'],
  [
    'an S3 endpoint that is no URL',
    'S3: { Endpoint: minio, Bucket: b }',
    'S3.Endpoint',
    'must be an http:// or https:// URL',
  ],
  [
    'half a key pair',
    'S3: { Endpoint: "http://s3", Bucket: b, AccessKeyId: a }',
    'S3.SecretAccessKey',
    'the two keys come as a pair',
  ],
  ['a listening address with a port', 'Admin: { Host: "127.0.0.1:80" }', 'Admin.Host', 'without a port'],
  [
    'a short secret',
    'Secret: [hunter2]',
    'Secret[0]',
    'is too short to be a secret; use at least 32 letters that were chosen by chance',
  ],
  [
    'a secret that repeats itself',
    `Secret: [${'changeme'.repeat(5)}]`,
    'Secret[0]',
    'repeats itself too much',
  ],
  ['a secret that is no list', 'Secret: hush', 'Secret', 'must be a list, got something else'],
  [
    'more secrets than anyone needs',
    `Secret: [${`${NEW_SECRET}, `.repeat(9)}]`,
    'Secret',
    'at most 8 entries',
  ],
  [
    'TLS between nodes',
    'P2PConfig: { ServeBySSL: true }',
    'P2PConfig.ServeBySSL',
    'takes a Secret, of which certificates are made, or the files of P2PConfig.CertConfig',
  ],
  [
    'a certificate without the authority of the others',
    'P2PConfig: { ServeBySSL: true, CertConfig: { CertPath: a, KeyPath: b } }',
    'P2PConfig.CertConfig.CAPath',
    'certificate, key and authority come together',
  ],
  [
    'an agent that can read nothing',
    'OriginFallback: false',
    'P2PConfig.RootList',
    'name a root, or set OriginFallback: true',
  ],
  [
    'siblings that could prove nothing to each other',
    'P2PConfig: { Siblings: [directory, "10.0.0.5:19145"] }',
    'P2PConfig.Siblings[1]',
    'takes a Secret, the same on all nodes',
  ],
  [
    'one port twice',
    'Admin: { Port: 19145 }',
    'Admin.Port',
    'must differ from P2PConfig.Port, both are 19145',
  ],
];

for (const [name, text, path, remedy] of FAULTS) {
  test(`refuses ${name}, naming ${path}`, () => {
    const message = refusal(text);
    assert.match(message, 'node.yaml: 1 fault\n');
    assert.match(message, `  ${path}: `);
    assert.match(message, remedy);
  });
}

test('lists all faults at once, each with its line', () => {
  const message = refusal('LogLevel: loud\nAdmin:\n  Port: 70000\nP2PConfig:\n  Prot: 1\n');
  assert.match(message, 'node.yaml: 3 faults\n');
  for (const line of ['(line 1)', '(line 3)', '(line 5)']) assert.match(message, line);
});

test('refuses a variable that names no setting', () => {
  const message = refusal(undefined, { DADIP2P_P2PConfg__Port: '1' });
  assert.match(message, 'did you mean P2PConfig.Port? (environment DADIP2P_P2PConfg__Port)');
});

test('says which variable gave a wrong value', () => {
  const message = refusal('Admin: { Port: 1 }', { DADIP2P_Admin__Port: '70000' });
  assert.match(message, 'Admin.Port: must be ≤ 65535, got 70000 (environment DADIP2P_Admin__Port)');
});

test('never repeats a secret', () => {
  const secret = 'S3: { Endpoint: "http://s3", Bucket: b, AccessKeyId: a, SecretAccessKey: [hush] }';
  assert.not.match(refusal(secret), 'hush');
  assert.not.match(refusal('S3:\n  SecretAccessKey: hush\n Bucket: b'), 'hush');
  for (const text of ['Secret: hush', 'Secret: [hush]', 'Secret: { hush: hush }', 'Secret: [[hush]]']) {
    assert.not.match(refusal(text).replace('Secret.hush', ''), 'hush', text);
    assert.not.match(refusal(undefined, { DADIP2P_Secret: text.replace('Secret: ', '') }), /\bhush\b/);
  }
});

test('reads one secret or several, out of the environment too', () => {
  assert.equal(load(undefined).Secret, []);
  assert.equal(load(`Secret: [${NEW_SECRET}]`, { DADIP2P_Secret: OLD_SECRET }).Secret, [OLD_SECRET]);
  assert.equal(load(undefined, { DADIP2P_Secret: `[${NEW_SECRET}, "${OLD_SECRET}"]` }).Secret, [
    NEW_SECRET,
    OLD_SECRET,
  ]);
});

test('reads tokens of the API as it does secrets, and repeats none that it refuses', () => {
  const tokens = (env: Env) => load(undefined, env).Admin.Tokens;
  assert.equal(tokens({}), []);
  assert.equal(tokens({ DADIP2P_Admin__Tokens: NEW_SECRET }), [NEW_SECRET]);
  assert.equal(tokens({ DADIP2P_Admin__Tokens: `[${NEW_SECRET}, ${OLD_SECRET}]` }), [NEW_SECRET, OLD_SECRET]);
  for (const bad of ['hush', `[hush, ${NEW_SECRET}]`, `${NEW_SECRET} hush`, `{ hush: ${NEW_SECRET} }`]) {
    const message = refusal(undefined, { DADIP2P_Admin__Tokens: bad }).replace('Tokens.hush', '');
    assert.match(message, 'Admin.Tokens');
    assert.not.match(message, 'hush');
  }
});

test('takes every secret that openssl makes', () => {
  for (let round = 0; round < 200; round += 1) {
    for (const [bytes, form] of [
      [16, 'hex'],
      [24, 'base64'],
      [32, 'base64'],
    ] as const) {
      const secret = randomBytes(bytes).toString(form);
      assert.equal(load(undefined, { DADIP2P_Secret: secret }).Secret, [secret]);
    }
  }
});

test('tells line and column of broken YAML', () => {
  assert.match(refusal('Admin:\n  Port: 1\n Host: a\n'), /line 3, column \d+: /);
  assert.match(refusal('Origins: [a'), /line 1, column \d+: /);
});

test('refuses a key that stands twice', () => {
  assert.match(
    refusal('LogLevel: info\nLogLevel: warn\n'),
    'line 2, column 1: the key stands here a second time',
  );
});

test('refuses an empty file, saying where an example is', () => {
  assert.match(refusal(''), 'the file is empty; infra/dadip2p.example.yaml');
  assert.match(refusal('# nothing but a comment\n'), 'the file is empty');
});

test('refuses a file that is a list', () => {
  assert.match(refusal('- a\n'), 'must be sections of settings');
});

test('tells a missing file from a folder', () => {
  const refused = (file: string, remedy: string) =>
    assert.throws(
      () => readSettings({ file, env: {} }),
      (error: Error) =>
        hasCode(error, 'CONFIG_INVALID') && error.message.includes(`${file}: 1 fault\n  ${remedy}`),
    );
  refused('/no/such/dadip2p.yaml', 'cannot be read: there is no such file');
  refused('/', 'cannot be read: it is a folder');
});

const MIRROR = `
Origins: ["http://10.0.0.5:5000", ghcr.io]
Mirror:
  Default: http://10.0.0.5:5000
  Registries:
    registry.lan: http://10.0.0.5:5000
`;

test('reads registries by the names that clients use, from the environment too', () => {
  const { Mirror, Tags } = load(MIRROR, { 'DADIP2P_Mirror__Registries__ghcr.io:443': 'https://ghcr.io' });
  assert.is(Mirror.Default, 'http://10.0.0.5:5000');
  assert.equal(Mirror.Registries, {
    'registry.lan': 'http://10.0.0.5:5000',
    'ghcr.io:443': 'https://ghcr.io',
  });
  assert.is(Tags.MaxStale, 24 * 3_600_000);
  assert.equal(load(undefined).Mirror.Registries, {});
});

test('refuses registries that are no origins, are not among Origins, or that no client can name', () => {
  const registry = (line: string) => refusal(`${MIRROR}    ${line}\n`);
  assert.match(registry('a.lan: http://10.0.0.5:5000/path'), /Mirror\.Registries.*without a path/);
  assert.match(registry('a.lan: 10.0.0.5:5000'), /Mirror\.Registries.*scheme:/);
  assert.match(registry('a.lan: 7'), /Mirror\.Registries.*must be a text/);
  assert.match(registry('a.lan: https://quay.io'), /Mirror\.Registries.*quay\.io.*Origins/);
  assert.match(registry('a.lan: http://10.0.0.6:5000'), /Mirror\.Registries.*Origins/);
  assert.match(registry('https://a.lan: https://ghcr.io'), /Mirror\.Registries.*host:port/);
});

test.run();
