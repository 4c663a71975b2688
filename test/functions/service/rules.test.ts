import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAddress } from '../../../functions/protocol/address.ts';
import { loadSettings } from '../../../functions/service/config/load.ts';
import type { Rule } from '../../../functions/service/config/settings.ts';
import { OriginAccess } from '../../../functions/service/origin-access.ts';
import { RULE_PRESETS } from '../../../functions/service/rule-presets.ts';
import { Rules } from '../../../functions/service/rules.ts';
import { throws } from '../../support/rejects.ts';

const test = suite('functions/service/rules');

const judge = (rules: readonly Rule[], url: string, method = 'GET') =>
  new Rules(rules).judge(parseAddress(url), method);

test('lets the first rule that matches decide', () => {
  const rules: Rule[] = [
    { Match: '/secret/', Action: 'deny' },
    { Match: '\\.bin$', Action: 'accelerate' },
    { Match: '.*', Action: 'pass' },
  ];
  assert.is(throws('RULE_DENIED', () => judge(rules, 'http://a.test/secret/x.bin')).status, 403);
  assert.is(judge(rules, 'http://a.test/x.bin').action, 'accelerate');
  assert.is(judge(rules, 'http://a.test/x.bin?y').action, 'pass');
});

test('passes on what no rule matches', () => {
  assert.is(judge([], 'http://a.test/').action, 'pass');
});

test('asks all conditions of a rule at once', () => {
  const rules: Rule[] = [
    { Hosts: ['*.a.test', 'b.test:8080'], Match: '/x', Methods: ['GET'], Action: 'accelerate' },
  ];
  for (const [url, method, action] of [
    ['http://c.a.test/x', 'GET', 'accelerate'],
    ['https://c.a.test:444/x', 'GET', 'accelerate'],
    ['http://b.test:8080/x', 'GET', 'accelerate'],
    ['http://b.test/x', 'GET', 'pass'],
    ['http://a.test/x', 'GET', 'pass'],
    ['http://c.a.test/y', 'GET', 'pass'],
    ['http://c.a.test/x', 'HEAD', 'pass'],
    ['http://evil.test/c.a.test/x', 'GET', 'pass'],
  ] as const) {
    assert.is(judge(rules, url, method).action, action, `${method} ${url}`);
  }
});

test('denies behind a tunnel only what is denied whatever is asked there', () => {
  const rules = new Rules([
    { Hosts: ['push.test'], Methods: ['PUT'], Action: 'deny' },
    { Hosts: ['a.test'], Action: 'deny' },
  ]);
  rules.refuseDenied('https://push.test/');
  throws('RULE_DENIED', () => rules.refuseDenied('https://a.test/'));
});

test('denies a host by its name with a dot at the end, too', () => {
  for (const rule of [{ Hosts: ['a.test'] }, { Hosts: ['*.test'] }, { Match: '^https?://a\\.test[:/]' }]) {
    const rules: Rule[] = [{ ...rule, Action: 'deny' }];
    for (const url of ['http://a.test./x', 'http://A.TEST.:8080/x', 'http://a.test%2e/x']) {
      throws('RULE_DENIED', () => judge(rules, url));
    }
    throws('RULE_DENIED', () => new Rules(rules).refuseDenied('https://a.test.:8443/'));
  }
});

const HEX = 'ab'.repeat(32);

test('denies a path however its letters are written, and tells apart what is another path', () => {
  const rules = new Rules([
    { Match: '/secret/.*[?]key=_1', Action: 'deny' },
    { Match: '/%7Eme/', Action: 'deny' },
  ]);
  for (const url of [
    'http://a.test/%73ecret/x?key=_1',
    'http://a.test/%73%65%63%72%65%74/x?key=_1',
    'http://a.test/secre%74/x?k%65y=%5f1',
    'http://a.test/secre%74/x?key=%5F1',
    'http://a.test/%7Eme/x',
  ]) {
    throws('RULE_DENIED', () => rules.judge(parseAddress(url), 'GET'));
    throws('RULE_DENIED', () => rules.refuseDenied(url));
  }
  for (const url of ['http://a.test/secret%2Fx?key=_1', 'http://a.test/%2573ecret/x?key=_1']) {
    const { action, address } = rules.judge(parseAddress(url), 'GET');
    assert.equal([action, address.url], ['pass', url]);
  }
});

test('takes the digest that the expression names, and no other', () => {
  const rules: Rule[] = [{ Match: '/objects/(?<sha256>[0-9a-zA-Z]+)$', Action: 'accelerate' }];
  assert.is(judge(rules, `http://a.test/objects/${HEX}`).address.digest, `sha256:${HEX}`);
  assert.is(judge(rules, 'http://a.test/objects/nothex').address.digest, undefined);
  assert.is(judge(rules, `http://a.test/objects/${HEX.toUpperCase()}`).address.digest, undefined);
});

for (const [ignored, identity] of [
  [undefined, 'http://a.test/x?v=1&session=2&t=3'],
  [false, 'http://a.test/x?v=1&session=2&t=3'],
  [['session'], 'http://a.test/x?v=1&t=3'],
  [['session', 't', 'v'], 'http://a.test/x'],
  [true, 'http://a.test/x'],
] as const) {
  test(`names a blob without the parameters it ignores: ${JSON.stringify(ignored)}`, () => {
    const rule = { Match: '/x', Action: 'accelerate' } as const;
    const rules = [ignored === undefined ? rule : { ...rule, IgnoreQuery: ignored }];
    const { address } = judge(rules, 'http://a.test/x?v=1&session=2&t=3');
    assert.is(address.identity, identity);
    assert.is(address.url, 'http://a.test/x?v=1&session=2&t=3', 'the origin is sent all of it');
  });
}

test('keeps apart what follows a second question mark, whatever of the query it ignores', () => {
  // Broke: all of it was cut off, and one was served the other.
  const rules: Rule[] = [{ Match: '/x', Action: 'accelerate', IgnoreQuery: ['t'] }];
  const [one, other] = ['a', 'b'].map(
    (file) => judge(rules, `http://a.test/x?get=x?${file}&t=1`).address.identity,
  );
  assert.is(one, 'http://a.test/x?get=x?a');
  assert.is(other, 'http://a.test/x?get=x?b');
});

test('believes that content never changes, unless a digest proves it', () => {
  const rules: Rule[] = [{ Hosts: ['*'], Action: 'accelerate', Immutable: true, MinSize: 5 }];
  assert.ok(judge(rules, 'http://a.test/x').address.isImmutable);
  assert.is(judge(rules, 'http://a.test/x').address.minBytes, 5);
  assert.not(judge(rules, `http://a.test/v2/x/blobs/sha256:${HEX}`).address.isImmutable);
});

test('takes no longer for a URL made to take long', () => {
  // Broke: on 64 KiB of "/v2/" a backtracking engine took a second for the default rule, and for (a+)+ for ever.
  const long = `http://a.test/${'/v2/'.repeat(16_000)}`;
  const rules: Rule[] = [
    { Match: '/v2/.+/blobs/sha256:[0-9a-f]{64}$', Action: 'accelerate' },
    { Match: '(a+)+$', Action: 'deny' },
    { Match: '^(([a-z])+.)+[A-Z]([a-z])+$', Action: 'deny' },
  ];
  assert.is(judge(rules, long).action, 'pass');
  assert.is(judge(rules, `http://a.test/${'a'.repeat(60_000)}!`).action, 'pass');
});

/** What each preset does with URLs as they are found in the wild; the third column is the digest it reads. */
const WILD: Readonly<Record<string, readonly (readonly [string, string, string?])[]>> = {
  oci: [
    ['https://registry-1.docker.io/v2/library/x/blobs/sha256:HEX', 'accelerate', HEX],
    ['http://127.0.0.1:5000/v2/x/blobs/sha256:HEX?ns=docker.io', 'accelerate', HEX],
    ['https://a.test/v2/x/blobs/sha256:HEX?ns=a.test&x=1', 'accelerate', HEX],
    [
      'https://production.cloudflare.docker.com/registry-v2/docker/registry/v2/blobs/sha256/ab/HEX/data?verify=1',
      'accelerate',
      HEX,
    ],
    ['https://pkg-containers.githubusercontent.com/ghcr1/blobs/sha256:HEX?se=1&sig=2', 'accelerate', HEX],
    ['https://cdn01.quay.io/quayio-production-s3/sha256/ab/HEX?Expires=1&Signature=2', 'accelerate', HEX],
    [
      'https://eastus.data.mcr.microsoft.com/01031d-aa//docker/registry/v2/blobs/sha256/ab/HEX/data?sig=1',
      'accelerate',
      HEX,
    ],
    [
      'https://prod-registry-k8s-io-eu-west-1.s3.dualstack.eu-west-1.amazonaws.com/containers/images/sha256:HEX',
      'accelerate',
      HEX,
    ],
    ['http://s3.test/docker/registry/v2/blobs/sha256/ab/HEX/data?X-Amz-Signature=1', 'accelerate', HEX],
    ['http://r.test/v2/', 'pass'],
    ['http://r.test/v2/library/x/manifests/latest', 'pass'],
    ['http://r.test/v2/library/x/manifests/sha256:HEX', 'pass', HEX],
    ['http://r.test/v2/library/x/blobs/uploads/', 'pass'],
    ['http://r.test/v2/library/x/blobs/uploads/?digest=sha256:HEX', 'pass'],
    ['http://r.test/v2/library/x/blobs/sha256:abc', 'pass'],
    ['http://r.test/token?scope=repository:x:pull', 'pass'],
  ],
  huggingface: [
    [`https://huggingface.co/org/model/resolve/${'0a'.repeat(20)}/model.safetensors`, 'accelerate immutable'],
    ['https://huggingface.co/org/model/resolve/main/model.safetensors?download=true', 'accelerate'],
    ['https://huggingface.co/datasets/org/set/resolve/refs%2Fconvert%2Fparquet/x.parquet', 'accelerate'],
    [
      'https://cdn-lfs.huggingface.co/repos/aa/bb/HEX/HEX?response-content-disposition=x&Expires=1&Policy=2&Signature=3&Key-Pair-Id=4',
      'accelerate',
      HEX,
    ],
    ['https://cdn-lfs.huggingface.co/bert-base-uncased/HEX', 'accelerate', HEX],
    [
      `https://cas-bridge.xethub.hf.co/xet-bridge-us/${'1c'.repeat(12)}/HEX?X-Amz-Signature=1&response-content-disposition=x`,
      'accelerate immutable',
    ],
    ['https://huggingface.co/api/models/org/model', 'pass'],
    ['https://huggingface.co/org/model/blob/main/README.md', 'pass'],
  ],
  pypi: [
    [
      `https://files.pythonhosted.org/packages/ab/cd/${'0f'.repeat(30)}/numpy-2.0.0-cp312-manylinux.whl`,
      'accelerate immutable',
    ],
    [
      `https://files.pythonhosted.org/packages/ab/cd/${'0f'.repeat(30)}/numpy-2.0.0-cp312-manylinux.whl.metadata`,
      'accelerate immutable',
    ],
    ['https://pypi.org/simple/numpy/', 'pass'],
    ['https://files.pythonhosted.org/packages/source/n/numpy/numpy-1.0.tar.gz', 'pass'],
  ],
  npm: [
    ['https://registry.npmjs.org/lodash/-/lodash-4.17.21.tgz', 'accelerate immutable'],
    ['https://registry.npmjs.org/@types/node/-/node-20.0.0.tgz', 'accelerate immutable'],
    ['https://registry.npmjs.org/@types%2fnode', 'pass'],
    ['https://registry.npmjs.org/lodash', 'pass'],
    ['https://evil.test/lodash/-/lodash-4.17.21.tgz', 'pass'],
  ],
  deb: [
    ['http://deb.debian.org/debian/pool/main/c/curl/curl_7.88.1-10_amd64.deb', 'accelerate immutable'],
    ['http://archive.ubuntu.com/ubuntu/pool/universe/x/x/x_1.0.orig.tar.xz', 'accelerate immutable'],
    ['http://deb.debian.org/debian/pool/main/c/curl/curl_7.88.1-10.dsc', 'accelerate immutable'],
    ['http://deb.debian.org/debian/dists/bookworm/main/binary-amd64/by-hash/SHA256/HEX', 'accelerate', HEX],
    ['http://deb.debian.org/debian/dists/bookworm/InRelease', 'pass'],
    ['http://deb.debian.org/debian/dists/bookworm/main/binary-amd64/Packages.xz', 'pass'],
    ['http://deb.debian.org/debian/dists/bookworm/main/binary-amd64/by-hash/MD5Sum/00ff', 'pass'],
    ['http://deb.debian.org/debian/pool/', 'pass'],
  ],
  'git-lfs': [
    [
      'https://github-cloud.githubusercontent.com/alambic/media/452087/ab/ab/HEX?X-Amz-Signature=1&actor_id=2',
      'accelerate',
      HEX,
    ],
    ['https://gitlab.com/group/sub/project.git/gitlab-lfs/objects/HEX', 'accelerate', HEX],
    ['https://gitea.test/owner/repo.git/info/lfs/objects/HEX', 'accelerate', HEX],
    ['https://gitea.test/owner/repo.git/info/lfs/objects/batch', 'pass'],
    ['https://gitea.test/owner/repo.git/info/refs?service=git-upload-pack', 'pass'],
  ],
  generic: [
    ['https://releases.ubuntu.com/24.04/ubuntu-24.04-live-server-amd64.iso', 'accelerate'],
    ['https://a.test/x.tar.zst?token=1', 'accelerate'],
    ['https://a.test/MODEL.GGUF', 'accelerate'],
    ['https://a.test/x.html', 'pass'],
    ['https://a.test/download?file=x.iso', 'pass'],
    ['https://a.test/iso', 'pass'],
  ],
};

for (const [name, shapes] of Object.entries(WILD)) {
  for (const [shape, expected, hex] of shapes) {
    test(`${name}: ${expected} ${shape}`, () => {
      const { action, address } = judge([{ Preset: name }], shape.replaceAll('HEX', HEX));
      assert.is(`${action}${address.isImmutable ? ' immutable' : ''}`, expected);
      assert.is(address.digest, hex && `sha256:${hex}`, 'its digest');
    });
  }
}

test('passes HEAD on to Hugging Face, whose clients read the redirect', () => {
  const url = 'https://huggingface.co/org/model/resolve/main/model.safetensors';
  assert.is(judge([{ Preset: 'huggingface' }], url, 'HEAD').action, 'pass');
});

test('shows each preset by URLs from the wild', () => {
  assert.equal(Object.keys(WILD), [...RULE_PRESETS.keys()]);
});

for (const [name, { rules }] of RULE_PRESETS) {
  test(`${name}: the preset of origins that goes with it lists every host that its rules name`, () => {
    const preset = name === 'oci' ? 'registries' : name;
    const hosts = rules.flatMap(({ Hosts = [] }) => Hosts);
    const access = new OriginAccess(hosts.length === 0 ? [] : [`preset:${preset}`]);
    for (const host of hosts) access.checkListed(new URL(`https://${host.replace('*', 'any')}/`));
  });
}

test('takes DadiP2P’s own blobs by default, and registries’', () => {
  const { ProxyConfig } = loadSettings({
    text: 'P2PConfig: { RootList: ["r.test:1"] }',
    file: 'test',
    env: {},
  });
  for (const url of [
    `http://r.test/v2/blobs/sha256/ab/${HEX}/data`,
    `http://r.test/v2/x/blobs/sha256:${HEX}`,
  ]) {
    assert.is(judge(ProxyConfig.Rules, url).action, 'accelerate');
  }
});

test.run();
