import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DOCTOR } from '../../../sidecar/cli/doctor.ts';
import { SETUP } from '../../../sidecar/cli/setup.ts';
import { makeFiles } from '../../../sidecar/tls/authority-files.ts';
import { type Around, runCommand } from '../../support/command.ts';
import { freePort } from '../../support/daemon.ts';
import { eachCase } from '../../support/each-case.ts';
import { plant } from '../../support/host-tree.ts';
import { pushImage } from '../../support/image.ts';
import { startNode } from '../../support/node-process.ts';
import { need } from '../../support/programs.ts';
import { startRegistry } from '../../support/registry.ts';
import { tempDir } from '../../support/temp-dir.ts';

const NAME = 'sidecar/doctor/run';
const test = suite(NAME);

const DAEMON = '/etc/docker/daemon.json';
const CONFIG = '/etc/containerd/config.toml';
const HUB_HOSTS = '/etc/containerd/certs.d/docker.io/hosts.toml';

interface Check {
  readonly name: string;
  readonly state: string;
  readonly problem?: string;
  readonly remedy?: string;
}

/** A host with an agent, a root and a registry, all well, and the ways to break it. */
async function startHost() {
  const held: AsyncDisposable[] = [];
  const end = async () => {
    for (const one of held.reverse()) await one[Symbol.asyncDispose]();
  };
  const hold = <T extends AsyncDisposable>(one: T): T => {
    held.push(one);
    return one;
  };
  try {
    const dir = hold(await tempDir());
    const registry = hold(await startRegistry());
    await pushImage(registry.url, 'library/app', 'v1', { layerBytes: [1000] });
    const port = {
      proxy: await freePort(),
      p2p: await freePort(),
      admin: await freePort(),
      root: await freePort(),
    };
    const settings = {
      Origins: [registry.url, 'https://registry.test'],
      ProxyConfig: {
        Host: '127.0.0.1',
        Port: port.proxy,
        CertConfig: { ...certFiles(dir.path), GenerateCert: true },
      },
      P2PConfig: { Host: '127.0.0.1', Port: port.p2p, RootList: [`127.0.0.1:${port.root}`] },
      Admin: { Host: '127.0.0.1', Port: port.admin },
      Mirror: { Default: registry.url, Registries: { 'docker.io': registry.url } },
    };
    const root = { Origins: [registry.url], P2PConfig: { RunMode: 'root', Port: port.root } } as const;
    hold(await startNode({ settings: root }));
    hold(await startNode({ settings }));
    const file = join(dir.path, 'agent.yaml');
    writeFileSync(file, JSON.stringify(settings));
    return { file, settings, agent: `http://127.0.0.1:${port.proxy}`, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

const certFiles = (dir: string) => ({ CertPath: join(dir, 'ca.crt'), KeyPath: join(dir, 'ca.key') });

type Host = Awaited<ReturnType<typeof startHost>>;

const configured = (dir: string, settings: object): string => {
  const file = join(dir, 'other.yaml');
  writeFileSync(file, JSON.stringify(settings));
  return file;
};

const setUp = (runtime: string, root: string, file: string) =>
  runCommand(SETUP, [runtime, '--yes', '--root', root, '-c', file]);

async function examine(args: readonly string[], around: Around = {}) {
  const { out, code } = await runCommand(DOCTOR, [...args, '--json'], around);
  const report = JSON.parse(out) as { ok: boolean; checks: Check[] };
  assert.is(code, report.ok ? 0 : 1);
  return report.checks;
}

/** /proc as it is with one daemon that was started at the time of boot plus `ticks`. */
function plantProcess(root: string, name: string, args: readonly string[], bootedAtSeconds: number): void {
  plant(root, {
    '/proc/stat': `cpu 1 2 3\nbtime ${bootedAtSeconds}\n`,
    '/proc/77/comm': `${name}\n`,
    '/proc/77/cmdline': [`/usr/bin/${name}`, ...args, ''].join('\0'),
    // Field 22 is when it was started; the name is between brackets.
    '/proc/77/stat': `77 (${name} :)) S ${'0 '.repeat(18)}100 0 0\n`,
  });
}

/** A dockerd, as far as `GET /info` goes. */
async function plantDocker(root: string, info: object): Promise<AsyncDisposable> {
  mkdirSync(join(root, 'var/run'), { recursive: true });
  const server = createServer((_, reply) => reply.end(JSON.stringify(info)));
  server.listen(join(root, 'var/run/docker.sock'));
  await once(server, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

const withAuthority = ({ settings }: Host, CertConfig: object) => ({
  ...settings,
  ProxyConfig: { ...settings.ProxyConfig, CertConfig },
});

interface Broken {
  readonly runtime: 'docker' | 'containerd' | 'podman';
  /** Breaks what was set up; gives what doctor is to be told else. */
  readonly breakIt?: (root: string, host: Host) => Broke | Promise<Broke>;
  readonly isSetUp?: false;
  /** The check that fails, and what it says. */
  readonly fails: string;
  readonly problem: RegExp;
  readonly remedy: RegExp;
}

// biome-ignore lint/suspicious/noConfusingVoidType: most breaks have nothing to tell.
type Broke = void | { args?: string[]; around?: Around; file?: string; stack?: AsyncDisposable };

const BROKEN: Readonly<Record<string, Broken>> = {
  'the configuration has a fault': {
    runtime: 'docker',
    breakIt: (root) => ({ file: configured(root, { ProxyConfig: { Prot: 1 } }) }),
    fails: 'configuration',
    problem: /ProxyConfig\.Prot: unknown key; did you mean ProxyConfig\.Port\?/,
    remedy: /correct it/,
  },
  'the agent does not run': {
    runtime: 'docker',
    async breakIt(root, { settings }) {
      const Port = await freePort();
      return { file: configured(root, { ...settings, ProxyConfig: { Port } }) };
    },
    fails: "agent's proxy port",
    problem: /ECONNREFUSED/,
    remedy: /start the agent/,
  },
  'the root is down': {
    runtime: 'docker',
    async breakIt(root, { settings }) {
      const RootList = [...settings.P2PConfig.RootList, `127.0.0.1:${await freePort()}`];
      return { file: configured(root, { ...settings, P2PConfig: { ...settings.P2PConfig, RootList } }) };
    },
    fails: 'roots',
    problem: /127\.0\.0\.1:\d+ cannot be used .*ECONNREFUSED/,
    remedy: /P2PConfig\.RootList; until then the agent reads the origins itself/,
  },
  'docker was never set up': {
    runtime: 'docker',
    isSetUp: false,
    fails: 'mirror in the runtime',
    problem: /\/etc\/docker\/daemon\.json is missing/,
    remedy: /run: dadip2p setup docker -c /,
  },
  'daemon.json is no JSON': {
    runtime: 'docker',
    breakIt: (root) => plant(root, { [DAEMON]: '{"registry-mirrors": [}' }),
    fails: "runtime's files",
    problem: /daemon\.json: is not valid JSON \(line 1/,
    remedy: /correct it/,
  },
  'docker was set up for another port': {
    runtime: 'docker',
    async breakIt(root, { settings }) {
      await setUp('docker', root, configured(root, { ...settings, ProxyConfig: { Port: 7000 } }));
    },
    fails: 'mirror in the runtime',
    problem: /was set up for other settings of the agent/,
    remedy: /run: dadip2p setup docker -c /,
  },
  'somebody took the mirror out': {
    runtime: 'docker',
    breakIt: (root) => plant(root, { [DAEMON]: '{}' }),
    fails: 'mirror in the runtime',
    problem: /was changed since setup/,
    remedy: /run: dadip2p setup docker/,
  },
  'dockerd has not read it': {
    runtime: 'docker',
    async breakIt(root) {
      const info = { RegistryConfig: { Mirrors: ['https://mirror.lan/'] } };
      return { stack: await plantDocker(root, info) };
    },
    fails: 'dockerd knows of the agent',
    problem: /runs with the mirrors https:\/\/mirror\.lan, without http:\/\/127/,
    remedy: /run: systemctl reload docker/,
  },
  'dockerd reads another file': {
    runtime: 'docker',
    breakIt: (root) => plantProcess(root, 'dockerd', ['--config-file=/srv/docker.json'], 0),
    fails: 'dockerd reads its configuration',
    problem: /--config-file \/srv\/docker\.json/,
    remedy: /take the flag out/,
  },
  'dockerd is told of mirrors by a flag': {
    runtime: 'docker',
    breakIt: (root) => plantProcess(root, 'dockerd', ['--registry-mirror', 'https://mirror.lan'], 0),
    fails: 'dockerd reads its configuration',
    problem: /--registry-mirror, and will not start/,
    remedy: /take the flag out/,
  },
  'dockerd has no proxy yet': {
    runtime: 'docker',
    async breakIt(root, { agent }) {
      return { stack: await plantDocker(root, { RegistryConfig: { Mirrors: [agent] } }) };
    },
    fails: 'dockerd knows of the agent',
    problem: /runs with no proxy, not http:\/\/127/,
    remedy: /run: systemctl restart docker/,
  },
  'the authority is gone': {
    runtime: 'docker',
    breakIt: (root, host) => ({ file: configured(root, withAuthority(host, certFiles(root))) }),
    fails: 'authority',
    problem: /HTTPS is not intercepted, and the runtime counts on it/,
    remedy: /there is no authority at .*ca\.crt: start the agent/,
  },
  "the authority's key is gone": {
    runtime: 'docker',
    breakIt(root, host) {
      const { CertPath } = host.settings.ProxyConfig.CertConfig;
      return { file: configured(root, withAuthority(host, { ...certFiles(root), CertPath })) };
    },
    fails: 'authority',
    problem: /ca\.key is missing, and .*ca\.crt is there/,
    remedy: /bring it back/,
  },
  "everybody may read the authority's key": {
    runtime: 'podman',
    breakIt(root, host) {
      const { CertPath, KeyPath } = host.settings.ProxyConfig.CertConfig;
      const key = join(root, 'ca.key');
      cpSync(KeyPath, key);
      chmodSync(key, 0o644);
      return { file: configured(root, withAuthority(host, { CertPath, KeyPath: key })) };
    },
    fails: "authority's key",
    problem: /ca\.key has mode 0644/,
    remedy: /run: chmod 600 .*ca\.key/,
  },
  'a host was added after the authority was made': {
    runtime: 'docker',
    breakIt: (root, { settings }) => ({
      file: configured(root, { ...settings, Origins: [...settings.Origins, 'https://later.test'] }),
    }),
    fails: "authority's hosts",
    problem: /may not certify later\.test/,
    remedy: /--generate-cert/,
  },
  'the runtime trusts an authority of before': {
    runtime: 'podman',
    breakIt: (root) => plant(root, { '/etc/containers/certs.d/registry.test/dadip2p.crt': 'another\n' }),
    fails: 'authority trusted by the runtime',
    problem: /registry\.test\/dadip2p\.crt was changed since setup/,
    remedy: /run: dadip2p setup podman/,
  },
  'the bundle of the system was not made anew': {
    runtime: 'podman',
    async breakIt(root, { settings }) {
      plant(root, { '/etc/ca-certificates.conf': '', '/etc/ssl/certs/ca-certificates.crt': 'others\n' });
      const file = configured(root, { ...settings, Origins: [...settings.Origins, '*.registry.test'] });
      await setUp('podman', root, file);
      return { file };
    },
    fails: "authority in the system's bundle",
    problem: /ca-certificates\.crt has it not/,
    remedy: /run: update-ca-certificates/,
  },
  'the agent runs with another authority': {
    runtime: 'docker',
    async breakIt(root, host) {
      const files = certFiles(root);
      await makeFiles(files, ['registry.test'], Date.now());
      const file = configured(root, withAuthority(host, files));
      await setUp('docker', root, file);
      return { file };
    },
    fails: 'HTTPS through the proxy',
    problem: /a certificate that is not of the authority/,
    remedy: /restart the agent/,
  },
  'containerd has not been started since': {
    runtime: 'containerd',
    breakIt: (root) => plantProcess(root, 'containerd', [], 1_000),
    fails: 'containerd reads its configuration',
    problem: /changed after containerd was started/,
    remedy: /run: systemctl restart containerd/,
  },
  'containerd reads another file': {
    runtime: 'containerd',
    breakIt: (root) => plantProcess(root, 'containerd', ['-c', '/srv/config.toml'], 0),
    fails: 'containerd reads its configuration',
    problem: /--config \/srv\/config\.toml/,
    remedy: /set config_path there/,
  },
  'containerd is told of no folder': {
    runtime: 'containerd',
    breakIt: (root) => plant(root, { [CONFIG]: 'version = 2\n' }),
    fails: 'folder of hosts.toml files',
    problem: /config\.toml was changed since setup/,
    remedy: /run: dadip2p setup containerd/,
  },
  'a hosts.toml names another port': {
    runtime: 'containerd',
    breakIt: (root) => plant(root, { [HUB_HOSTS]: '[host."http://127.0.0.1:7000"]\n' }),
    fails: 'mirror in the runtime',
    problem: /docker\.io\/hosts\.toml was changed since setup/,
    remedy: /run: dadip2p setup containerd/,
  },
  "podman's user has a file of their own": {
    runtime: 'podman',
    breakIt(root) {
      plant(root, { '/home/me/.config/containers/registries.conf': '' });
      return { around: { home: '/home/me' } };
    },
    fails: 'podman reads its configuration',
    problem: /\/home\/me\/\.config\/containers\/registries\.conf is read in place/,
    remedy: /move it/,
  },
  "podman's environment names another file": {
    runtime: 'podman',
    breakIt: () => ({ around: { env: { CONTAINERS_REGISTRIES_CONF: '/srv/r.conf' } } }),
    fails: 'podman reads its configuration',
    problem: /CONTAINERS_REGISTRIES_CONF names \/srv\/r\.conf/,
    remedy: /unset it/,
  },
  'the registry is not among the origins': {
    runtime: 'containerd',
    breakIt: () => ({ args: ['--image', 'registry.lan/app:v1'] }),
    fails: 'registry through the mirror',
    problem: /registry\.lan gives 403/,
    remedy: /list the registry in Origins/,
  },
  'there is no such image': {
    runtime: 'containerd',
    breakIt: () => ({ args: ['--image', 'docker.io/library/none:v1'] }),
    fails: 'image through the mirror',
    problem: /manifest v1 gives 404/,
    remedy: /correct the name of the image/,
  },
};

need(
  test,
  NAME,
  'docker-registry',
)(
  'says of a host that is well that it is, and of each that is not which link is broken and what to do',
  async () => {
    await using host = await startHost();
    for (const runtime of ['docker', 'containerd', 'podman'] as const) {
      await using dir = await tempDir();
      await setUp(runtime, dir.path, host.file);
      plantProcess(dir.path, runtime === 'docker' ? 'dockerd' : 'containerd', [], 4_000_000_000);
      const info = { HttpsProxy: host.agent, RegistryConfig: { Mirrors: [`${host.agent}/`] } };
      await using _ = await plantDocker(dir.path, info);
      const checks = await examine([runtime, '-c', host.file, '--root', dir.path, '--image', 'app:v1']);
      assert.equal(
        checks.filter(({ state }) => state !== 'ok'),
        [],
      );
      assert.ok(checks.some(({ name }) => name === 'image through the mirror'));
      assert.is(
        checks.some(({ name }) => name === 'HTTPS through the proxy'),
        runtime !== 'containerd',
      );
    }
    await eachCase(BROKEN, async ({ runtime, breakIt, isSetUp, fails, problem, remedy }) => {
      await using dir = await tempDir();
      if (isSetUp !== false) await setUp(runtime, dir.path, host.file);
      const { args = [], around, file = host.file, stack } = (await breakIt?.(dir.path, host)) ?? {};
      try {
        const checks = await examine([runtime, '-c', file, '--root', dir.path, ...args], around);
        const found = checks.find(({ name }) => name === fails);
        assert.is(found?.state, 'failed', JSON.stringify(checks, null, 2));
        assert.match(found?.problem ?? '', problem);
        assert.match(found?.remedy ?? '', remedy);
      } finally {
        await stack?.[Symbol.asyncDispose]();
      }
    });
  },
);

test('prints one line a check, the remedy below what failed, and ends with code 1', async () => {
  await using dir = await tempDir();
  const Port = await freePort();
  const file = configured(dir.path, {
    ProxyConfig: { Port },
    P2PConfig: { Port: await freePort() },
    Admin: { Port: await freePort() },
  });
  const { out, code } = await runCommand(DOCTOR, ['podman', '-c', file, '--root', dir.path]);
  assert.is(code, 1);
  assert.match(
    out,
    `ok       configuration: ${file}\nfailed   agent's proxy port: http://127.0.0.1:${Port} `,
  );
  assert.match(out, /\n {9}→ start the agent/);
  assert.match(out, 'skipped  registry through the mirror: needs "agent\'s proxy port"');
  assert.match(out, /\n4 faults\.$/);
});

test.run();
