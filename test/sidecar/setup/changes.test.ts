import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Changes } from '../../../sidecar/setup/changes.ts';
import { HostFiles } from '../../../sidecar/setup/host-files.ts';
import { eachCase } from '../../support/each-case.ts';
import { type Planted, plant, snapshot } from '../../support/host-tree.ts';
import { throws } from '../../support/rejects.ts';
import { INTERCEPTING, type Kind, MIRRORING, setUp, takeDown } from '../../support/set-up.ts';
import { tempDir } from '../../support/temp-dir.ts';

const test = suite('sidecar/setup/changes');

const DAEMON = '/etc/docker/daemon.json';
const CONFIG = '/etc/containerd/config.toml';
const HUB_HOSTS = '/etc/containerd/certs.d/docker.io/hosts.toml';
const REGISTRIES = '/etc/containers/registries.conf';
const crlf = (text: string) => text.replaceAll('\n', '\r\n');

const pathsOf = ({ changes }: Changes) => changes.map(({ path }) => path);

const DAEMON_TEXT = `{
    "log-driver": "journald",   "debug": false,
    "registry-mirrors": [ "https://mirror.lan" ],
    "unknown": {"kept": [1, 2.50, 1e3]}
}
`;
const CONFIG_TEXT = `# our own
version = 2

[plugins]
    [plugins."io.containerd.grpc.v1.cri"] # indented oddly
        sandbox_image = 'registry.lan/pause:3.9'
        [plugins."io.containerd.grpc.v1.cri".registry]
        # nothing yet
  [plugins."io.containerd.runtime.v1.linux"]
  shim_debug = true
`;
const HOSTS_TEXT = `server = "https://registry-1.docker.io"

# first of ours
[host."https://mirror.lan"]
  capabilities = ["pull"]
  [host."https://mirror.lan".header]
    x-team = "blue"
`;
const REGISTRIES_TEXT = `unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "docker.io"   # the Hub
location = "registry-1.docker.io"
[[registry.mirror]]
location = "mirror.lan"

[[registry]]
location = "quay.io"
blocked = false
`;

const PREPARED: Readonly<Record<string, readonly [Kind, Readonly<Record<string, Planted>>]>> = {
  'docker, nothing there': ['docker', {}],
  'docker, an empty file': ['docker', { [DAEMON]: '' }],
  'docker, an empty object': ['docker', { [DAEMON]: '{}' }],
  'docker, no line end at the end': ['docker', { [DAEMON]: '{\n\t"debug": true\n}' }],
  'docker, other mirrors, odd indentation': ['docker', { [DAEMON]: DAEMON_TEXT }],
  'docker, CRLF': ['docker', { [DAEMON]: crlf(DAEMON_TEXT) }],
  'docker, no mirrors in the list': ['docker', { [DAEMON]: '{"registry-mirrors":[]}' }],
  'docker, another proxy': ['docker', { [DAEMON]: '{"proxies":{"https-proxy":"http://corp:3128"}}\n' }],
  'docker, a part of a proxy': ['docker', { [DAEMON]: '{"proxies":{"no-proxy":".lan"}}\n' }],
  'docker, a link': ['docker', { [DAEMON]: { link: '/opt/docker.json' }, '/opt/docker.json': DAEMON_TEXT }],
  'docker, certificates of a registry': [
    'docker',
    { '/etc/docker/certs.d/registry.test:5000/ca.crt': 'theirs\n', [DAEMON]: DAEMON_TEXT },
  ],
  'docker, whole domains, on Debian': ['docker, wide', { '/etc/ca-certificates.conf': '' }],
  'docker, whole domains, on Red Hat': ['docker, wide', { '/etc/pki/ca-trust/README': '' }],
  'docker, whole domains, on neither': ['docker, wide', {}],
  'docker 20, nothing there': ['docker 20', {}],
  'docker 20, other drop-ins': [
    'docker 20',
    { '/etc/systemd/system/docker.service.d/limits.conf': '[Service]\nLimitNOFILE=1\n' },
  ],
  'containerd, nothing there': ['containerd', {}],
  'containerd, an empty file': ['containerd', { [CONFIG]: '' }],
  'containerd, only comments, no line end': ['containerd', { [CONFIG]: '# nothing' }],
  'containerd, version 1': ['containerd', { [CONFIG]: 'oom_score = 0\n[plugins.cri.registry]\n' }],
  'containerd, version 2': ['containerd', { [CONFIG]: CONFIG_TEXT }],
  'containerd, CRLF': ['containerd', { [CONFIG]: crlf(CONFIG_TEXT) }],
  'containerd, version 3': [
    'containerd',
    { [CONFIG]: "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n   config_path = ''\n" },
  ],
  'containerd, a folder of their own': [
    'containerd',
    {
      [CONFIG]: `${CONFIG_TEXT}\n[plugins."io.containerd.grpc.v1.cri".registry.auths]\n`.replace(
        '# nothing yet',
        'config_path = "/srv/certs.d"',
      ),
      '/srv/certs.d/docker.io/hosts.toml': HOSTS_TEXT,
      '/srv/certs.d/_default/hosts.toml': '[host."https://all.lan"]\n',
    },
  ],
  'containerd, hosts in CRLF': [
    'containerd',
    { '/etc/containerd/certs.d/docker.io/hosts.toml': crlf(HOSTS_TEXT) },
  ],
  'containerd, a server alone': ['containerd', { [HUB_HOSTS]: 'server = "https://registry-1.docker.io"' }],
  'containerd, certificates in place of hosts': [
    'containerd',
    {
      '/etc/containerd/certs.d/quay.io/ca.crt': 'theirs\n',
      '/etc/containerd/certs.d/quay.io/client.cert': 'theirs\n',
      '/etc/containerd/certs.d/quay.io/client.key': 'theirs\n',
    },
  ],
  'containerd, a folder that is a link': [
    'containerd',
    {
      '/etc/containerd/certs.d': { link: '../../srv/certs.d' },
      '/srv/certs.d/docker.io/hosts.toml': HOSTS_TEXT,
    },
  ],
  'podman, nothing there': ['podman', {}],
  'podman, only comments': [
    'podman',
    { [REGISTRIES]: '# For more information see containers-registries.conf(5).\n' },
  ],
  'podman, mirrors of their own': ['podman', { [REGISTRIES]: REGISTRIES_TEXT }],
  'podman, CRLF': ['podman', { [REGISTRIES]: crlf(REGISTRIES_TEXT) }],
  'podman, the registry in a drop-in': [
    'podman',
    {
      '/etc/containers/registries.conf.d/10-hub.conf': '[[registry]]\nlocation="docker.io"',
      [REGISTRIES]: '',
    },
  ],
  'podman, an environment of its own': [
    'podman',
    { '/etc/containers/containers.conf': '[engine]\nenv = ["HTTPS_PROXY=http://corp:3128"]\n' },
  ],
};

test('setup and then uninstall leaves every prepared folder byte for byte as it was', () =>
  eachCase(PREPARED, async ([kind, tree]) => {
    await using dir = await tempDir();
    plant(dir.path, tree);
    const before = snapshot(dir.path);
    const { changes } = setUp(kind, dir.path, INTERCEPTING);
    assert.ok(changes.length > 0);
    assert.not.equal(snapshot(dir.path), before);
    takeDown(kind, dir.path);
    assert.equal(snapshot(dir.path), before);
  }));

test('a second setup has nothing to do, and what it did not do is still undone', () =>
  eachCase(PREPARED, async ([kind, tree]) => {
    await using dir = await tempDir();
    plant(dir.path, tree);
    const before = snapshot(dir.path);
    setUp(kind, dir.path, INTERCEPTING);
    const after = snapshot(dir.path);
    assert.equal(pathsOf(setUp(kind, dir.path, INTERCEPTING)), []);
    assert.equal(snapshot(dir.path), after);
    takeDown(kind, dir.path);
    assert.equal(snapshot(dir.path), before);
  }));

test('a setup for other settings leaves nothing of the one before, and the original is still known', () =>
  eachCase(PREPARED, async ([kind, tree]) => {
    await using dir = await tempDir();
    plant(dir.path, tree);
    const before = snapshot(dir.path);
    setUp(kind, dir.path, INTERCEPTING);
    const { defaultRegistry } = MIRRORING;
    setUp(kind, dir.path, {
      agent: 'http://127.0.0.1:7000',
      registries: [defaultRegistry],
      defaultRegistry,
    });
    const { '/var/lib/dadip2p-setup/manifest.json': _, ...files } = snapshot(dir.path);
    for (const [path, text] of Object.entries(files)) assert.not.match(text, '19245', path);
    assert.ok(Object.values(files).some((text) => text.includes('127.0.0.1:7000')));
    takeDown(kind, dir.path);
    assert.equal(snapshot(dir.path), before);
  }));

test('all lines of TOML and units that were there are still there after setup', () =>
  eachCase(PREPARED, async ([kind, tree]) => {
    await using dir = await tempDir();
    plant(dir.path, tree);
    setUp(kind, dir.path, INTERCEPTING);
    for (const [path, text] of Object.entries(tree)) {
      if (typeof text !== 'string' || text.includes('{')) continue;
      const now = readFileSync(join(dir.path, path), 'latin1').split('\n');
      // An empty config_path is the one thing that is replaced.
      const lost = text.split('\n').filter((line) => !now.includes(line) && !/config_path = ''/.test(line));
      // What had no line end at the end has one now.
      assert.ok(lost.length === 0 || (lost.length === 1 && !text.endsWith('\n')), `${path}: ${lost}`);
    }
  }));

test('all that JSON said is still said after setup, in the text it was said in', async () => {
  await using dir = await tempDir();
  plant(dir.path, { [DAEMON]: DAEMON_TEXT });
  setUp('docker', dir.path, MIRRORING);
  const now = readFileSync(join(dir.path, DAEMON), 'utf8');
  assert.match(now, '    "log-driver": "journald",   "debug": false,\n');
  assert.match(now, '"unknown": {"kept": [1, 2.50, 1e3]}\n}\n');
  assert.equal(JSON.parse(now)['registry-mirrors'], ['http://127.0.0.1:19245', 'https://mirror.lan']);
});

test('mode and owner of an edited file stay', async () => {
  await using dir = await tempDir();
  plant(dir.path, { [DAEMON]: DAEMON_TEXT });
  chmodSync(join(dir.path, DAEMON), 0o640);
  const [before] = (snapshot(dir.path)[DAEMON] ?? '').split(' {');
  setUp('docker', dir.path, INTERCEPTING);
  assert.is((snapshot(dir.path)[DAEMON] ?? '').split(' {')[0], before);
});

test('what keeps the originals is for its owner alone: they may hold passwords', async () => {
  await using dir = await tempDir();
  setUp('docker', dir.path, INTERCEPTING);
  assert.match(snapshot(dir.path)['/var/lib/dadip2p-setup/manifest.json'] ?? '', /^100600 /);
});

test('runtimes are set up and taken down apart from each other, in any order', async () => {
  await using dir = await tempDir();
  const before = snapshot(dir.path);
  for (const kind of ['docker', 'podman', 'containerd'] as const) setUp(kind, dir.path, INTERCEPTING);
  takeDown('docker', dir.path);
  assert.ok(snapshot(dir.path)[CONFIG] !== undefined);
  for (const kind of ['containerd', 'podman'] as const) takeDown(kind, dir.path);
  assert.equal(snapshot(dir.path), before);
});

const CHANGED_SINCE: Readonly<
  Record<string, readonly [Kind, string, Planted, (text: string) => string, string]>
> = {
  'docker, a key after ours': [
    'docker',
    DAEMON,
    '{\n  "debug": true\n}\n',
    (text) => text.replace('"debug": true', '"debug": false,\n  "log-level": "warn"'),
    '{\n  "debug": false,\n  "log-level": "warn"\n}\n',
  ],
  'containerd, a comment above': [
    'containerd',
    CONFIG,
    CONFIG_TEXT,
    (text) => `# by hand\n${text}`,
    `# by hand\n${CONFIG_TEXT}`,
  ],
  'containerd, another host after ours': [
    'containerd',
    HUB_HOSTS,
    HOSTS_TEXT,
    (text) => `${text}[host."https://third.lan"]\n`,
    `${HOSTS_TEXT}[host."https://third.lan"]\n`,
  ],
  'podman, another registry': [
    'podman',
    REGISTRIES,
    REGISTRIES_TEXT,
    (text) => `${text}[[registry]]\nlocation = "ghcr.io"\n`,
    `${REGISTRIES_TEXT}[[registry]]\nlocation = "ghcr.io"\n`,
  ],
};

test('of a file that somebody changed since, uninstall takes out what is ours alone, and says so', () =>
  eachCase(CHANGED_SINCE, async ([kind, path, planted, change, expected]) => {
    await using dir = await tempDir();
    plant(dir.path, { [path]: planted });
    setUp(kind, dir.path, MIRRORING);
    const file = join(dir.path, path);
    writeFileSync(file, change(readFileSync(file, 'utf8')));
    const { notes } = takeDown(kind, dir.path);
    assert.is(readFileSync(file, 'utf8'), expected);
    assert.match(notes.join(), `${path} was changed after setup`);
  }));

test('a second setup after such a change has nothing to do', () =>
  eachCase(CHANGED_SINCE, async ([kind, path, planted, change]) => {
    await using dir = await tempDir();
    plant(dir.path, { [path]: planted });
    setUp(kind, dir.path, MIRRORING);
    const file = join(dir.path, path);
    writeFileSync(file, change(readFileSync(file, 'utf8')));
    assert.equal(pathsOf(setUp(kind, dir.path, MIRRORING)), []);
  }));

test('what somebody changed in our own lines is left alone, naming the file, and nothing else is touched', async () => {
  await using dir = await tempDir();
  setUp('containerd', dir.path, MIRRORING);
  const file = join(dir.path, HUB_HOSTS);
  writeFileSync(file, readFileSync(file, 'utf8').replace('"resolve"', '"resolve", "push"'));
  const before = snapshot(dir.path);
  const { message } = throws('SETUP_REFUSED', () => takeDown('containerd', dir.path));
  assert.match(message, `${HUB_HOSTS}: was changed after setup`);
  assert.equal(snapshot(dir.path), before);
});

test('a file that was removed, or put back by hand, since is no hindrance', async () => {
  await using dir = await tempDir();
  plant(dir.path, { [CONFIG]: CONFIG_TEXT });
  const before = snapshot(dir.path);
  setUp('containerd', dir.path, MIRRORING);
  writeFileSync(join(dir.path, CONFIG), CONFIG_TEXT);
  takeDown('containerd', dir.path);
  assert.equal(snapshot(dir.path), before);
});

test('a setup that fails half-way can be undone, and gone on with once its hindrance is gone', async () => {
  for (const goesOn of [true, false]) {
    await using dir = await tempDir();
    // A file where the folder of the last one should be.
    const hindrance = '/etc/containerd/certs.d/_default';
    plant(dir.path, { [hindrance]: '' });
    const before = snapshot(dir.path);
    const { message } = throws('SETUP_REFUSED', () => setUp('containerd', dir.path, MIRRORING));
    assert.match(message, `${hindrance}/hosts.toml: cannot be read or written (ENOTDIR)`);
    assert.ok(snapshot(dir.path)[HUB_HOSTS], 'not half-way');
    if (goesOn) {
      rmSync(join(dir.path, hindrance));
      assert.equal(pathsOf(setUp('containerd', dir.path, MIRRORING)), [`${hindrance}/hosts.toml`]);
      plant(dir.path, { '/etc/containerd/certs.d/docker.io/kept': '' });
    }
    takeDown('containerd', dir.path);
    const { [HUB_HOSTS]: hub, ...left } = snapshot(dir.path);
    assert.is(hub, undefined);
    if (!goesOn) assert.equal(left, before);
    else assert.ok(left['/etc/containerd/certs.d/docker.io/kept']);
  }
});

test('a setup for other settings that ends half-way can be undone, wherever it was', async () => {
  for (const kind of ['docker 20', 'containerd', 'podman'] as const) {
    await using dir = await tempDir();
    plant(dir.path, { [DAEMON]: DAEMON_TEXT, [CONFIG]: CONFIG_TEXT, [REGISTRIES]: REGISTRIES_TEXT });
    const before = snapshot(dir.path);
    setUp(kind, dir.path, INTERCEPTING);
    const files = new HostFiles(dir.path);
    const other = { ...INTERCEPTING, agent: 'http://127.0.0.1:7000' };
    const { changes } = setUp(kind, dir.path, other);
    assert.ok(changes.length > 0, kind);
    // As if the process had been killed before it wrote any of them.
    for (const { path, from } of changes) files.write(path, from ?? Buffer.alloc(0));
    takeDown(kind, dir.path);
    assert.equal(snapshot(dir.path), before, kind);
  }
});

test('podman that has an environment of its own, or gives containers its proxy, is given none, and setup says why', () =>
  eachCase(
    {
      env: [
        '[engine]\nenv = ["A=b"]\n',
        /sets \[engine\] env.* add HTTPS_PROXY=\S+ and NO_PROXY=\S+docker\.io/,
      ],
      'http_proxy = true': [
        '[containers]\nhttp_proxy = true\n',
        /give its proxy to containers \(http_proxy\)/,
      ],
    } as const,
    async ([text, said]) => {
      await using dir = await tempDir();
      const path = '/etc/containers/containers.conf.d/10-own.conf';
      plant(dir.path, { [path]: text });
      const plan = setUp('podman', dir.path, INTERCEPTING);
      assert.not.match(pathsOf(plan).join(), 'containers.conf');
      assert.match(plan.notes.join(), said);
      assert.match(plan.notes.join(), path);
    },
  ));

const REFUSED: Readonly<Record<string, readonly [Kind, Readonly<Record<string, Planted>>, string]>> = {
  'JSON with a comma too many': [
    'docker',
    { [DAEMON]: '{"debug": true,}' },
    `${DAEMON}: is not valid JSON (line 1`,
  ],
  'JSON with a comment': ['docker', { [DAEMON]: '{\n// no\n}' }, `${DAEMON}: is not valid JSON (line 2`],
  'a JSON list': ['docker', { [DAEMON]: '[]' }, `${DAEMON}: is not a JSON object`],
  'mirrors that are no list': ['docker', { [DAEMON]: '{"registry-mirrors": "x"}' }, 'is not a list'],
  'bytes that are no text': ['docker', { [DAEMON]: Buffer.from([0x7b, 0xff, 0x7d]) }, 'is not UTF-8 text'],
  'a link to itself': ['docker', { [DAEMON]: { link: 'daemon.json' } }, 'is a link that leads to itself'],
  'broken TOML': [
    'containerd',
    { [CONFIG]: 'version = 2\n[plugins\n' },
    `${CONFIG}: is not valid TOML (line 3`,
  ],
  'a version to come': ['containerd', { [CONFIG]: 'version = 9\n' }, 'has version 9 (line 1)'],
  'mirrors in the old form': [
    'containerd',
    { [CONFIG]: 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\n' },
    'in the old form',
  ],
  'a table in one line': [
    'containerd',
    { [CONFIG]: 'version = 2\nplugins."io.containerd.grpc.v1.cri" = { registry = {} }\n' },
    'set plugins."io.containerd.grpc.v1.cri".registry.config_path = "/etc/containerd/certs.d" by hand',
  ],
  'registries of version 1': [
    'podman',
    { [REGISTRIES]: '[registries.search]\nregistries = []\n' },
    'version 1',
  ],
};

test('what cannot be edited is refused, naming the file and the remedy, and nothing is written', () =>
  eachCase(REFUSED, async ([kind, tree, said]) => {
    await using dir = await tempDir();
    plant(dir.path, tree);
    const before = snapshot(dir.path);
    const { message } = throws('SETUP_REFUSED', () => setUp(kind, dir.path, INTERCEPTING));
    assert.match(message, said);
    assert.equal(snapshot(dir.path), before);
  }));

test('an absolute link is followed inside the folder, never out of it', async () => {
  await using outside = await tempDir();
  await using dir = await tempDir();
  mkdirSync(join(dir.path, 'etc'));
  plant(dir.path, { '/etc/docker': { link: outside.path } });
  setUp('docker', dir.path, MIRRORING);
  assert.equal(snapshot(outside.path), {});
  assert.ok(snapshot(dir.path)[`${outside.path}/daemon.json`]);
});

test.run();
