import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Settings } from '../../functions/service/config/settings.ts';
import { SETUP } from '../../sidecar/cli/setup.ts';
import { runCommand } from '../support/command.ts';
import { type ContainersHost, openContainersHost } from '../support/containers-host.ts';
import { freePort } from '../support/daemon.ts';
import { plant } from '../support/host-tree.ts';
import type { Configured, NodeProcess } from '../support/node-process.ts';
import { metric, servedBytes, startAgent, startRoot } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { shared } from '../support/shared.ts';
import { tempDir } from '../support/temp-dir.ts';
import { startTlsRegistries, TLS_REGISTRY_HOSTS, type TlsRegistry } from '../support/tls-registries.ts';

const NAME = 'system/podman-pull';
const test = suite(NAME);

const MiB = 2 ** 20;
const LAYERS = [3 * MiB + 1, MiB, 1000];
const [USER, PASSWORD] = ['alice', 's3cret'] as const;
const CLIENTS = ['podman', 'skopeo'] as const;
const KINDS = ['open', 'basic', 'token'] as const;

type Kind = (typeof KINDS)[number];
type Way = 'mirror' | 'https';

/** A host whose programs pull through its agent, as `dadip2p setup podman` has it, and a registry beyond. */
interface Site {
  readonly registry: TlsRegistry;
  readonly agent: NodeProcess;
  readonly host: ContainersHost;
}

type Sites = Readonly<Record<Kind, Site>> & AsyncDisposable;

// Each has an image of its own, so that its first pull is the first of all.
const repositoryOf = (way: Way, client: string) => `${way}/${client}`;

const withPort = (settings: Configured<Settings>, Port: number): Configured<Settings> => ({
  ...settings,
  ProxyConfig: { ...settings.ProxyConfig, Port },
});

/** `dadip2p setup podman` on a host, for an agent with these settings. */
async function setUpPodman({ root }: ContainersHost, settings: Configured<Settings>): Promise<void> {
  const file = join(root, 'agent.yaml');
  await writeFile(file, JSON.stringify(settings));
  const { out } = await runCommand(SETUP, ['podman', '-c', file, '--root', root, '--yes']);
  assert.match(out, 'podman is set up.');
}

const sites = shared<Sites>(test, async () => {
  const disposables: AsyncDisposable[] = [];
  const held = <T extends AsyncDisposable>(value: T): T => {
    disposables.unshift(value);
    return value;
  };
  const repositories = (['mirror', 'https'] as const).flatMap((way) =>
    CLIENTS.map((client) => repositoryOf(way, client)),
  );
  const { authority, ...registries } = held(
    await startTlsRegistries({ user: USER, password: PASSWORD, repositories }),
  );
  const options = {
    origins: KINDS.map((kind) => `https://${registries[kind].host}`),
    hosts: TLS_REGISTRY_HOSTS,
    chunkSize: '1MiB',
    root: { ExtraCA: authority.certFile },
  };
  const root = held(await startRoot(options));
  const start = async (kind: Kind): Promise<Site> => {
    const registry = registries[kind];
    const dir = held(await tempDir());
    const at = (name: string) => join(dir.path, name);
    const CertConfig = { CertPath: at('ca.crt'), KeyPath: at('ca.key'), GenerateCert: true };
    const Default = `https://${registry.host}`;
    const Mirror = { Default, Registries: { 'docker.io': Default } };
    const settings = { ExtraCA: authority.certFile, ProxyConfig: { CertConfig }, Mirror };
    const agent = held(await startAgent({ ...options, agent: settings }, [root.url]));
    const { proxyPort: Port } = agent;
    // The certificate to trust comes from certs.d; what is for podman's environment, skopeo does not read.
    const host = held(await openContainersHost({ skopeoEnv: { HTTPS_PROXY: `http://127.0.0.1:${Port}` } }));
    await setUpPodman(host, withPort(agent.settings, Port));
    return { registry, agent, host };
  };
  const [open, basic, token] = await Promise.all([start('open'), start('basic'), start('token')]);
  return {
    open,
    basic,
    token,
    async [Symbol.asyncDispose]() {
      for (const value of disposables) await value[Symbol.asyncDispose]();
    },
  };
});

/** Pulls by each client, and once more when the registry has no blobs to give. */
async function pullTwice({ registry, agent, host }: Site, way: Way): Promise<void> {
  const { front } = registry;
  for (const client of CLIENTS) {
    const repository = repositoryOf(way, client);
    const image = await registry.push(repository, {
      layerBytes: LAYERS,
      seed: `${registry.host} ${repository}`,
    });
    const reference = way === 'https' ? image.reference : `docker.io/${repository}:v1`;
    const size = [image.config, ...image.layers].reduce((sum, { size }) => sum + size, 0);
    front.faults = [];
    front.forget();
    assert.is(await host[client].pull(reference), image.config.digest, client);
    const sent = front.blobHits().filter(({ method, status }) => method === 'GET' && status < 300);
    assert.is(
      sent.reduce((sum, { bytes }) => sum + bytes, 0),
      size,
      `the registry sent each byte of each blob once to ${client}`,
    );
    await host[client].remove(reference);
    front.forget();
    const served = await metric(agent, 'p2p_served_bytes_total');
    front.faults = [{ on: /\/blobs\//, status: 503 }];
    assert.is(await host[client].pull(reference), image.config.digest, `${client} again`);
    await host[client].remove(reference);
    assert.equal(front.blobHits(), [], `${client} again`);
    assert.ok(front.hits.length > 0, 'the tag was looked up at the registry');
    await servedBytes(agent, served + size);
  }
  assert.is(await metric(agent, 'p2p_replies_total', 'status="5'), 0, 'nothing failed');
}

const refused = async (action: Promise<unknown>): Promise<string> =>
  action.then(
    () => 'done',
    (error: Error) => error.message,
  );

const real = need(test, NAME, 'docker-registry', 'podman', 'skopeo', 'htpasswd', 'openssl');

real(
  'podman and skopeo pull by the mirror that setup wrote, again without a blob from the registry',
  async () => {
    const { open } = await sites();
    await pullTwice(open, 'mirror');
  },
);

real('podman and skopeo pull through HTTPS_PROXY with the authority that setup wrote, likewise', async () => {
  const { open } = await sites();
  await pullTwice(open, 'https');
});

real('containers of podman are not given the proxy, which they could not reach', async () => {
  const { registry, host } = (await sites()).open;
  const { reference } = await registry.push('https/run', { layerBytes: [1000], seed: 'run' });
  registry.front.faults = [];
  await host.podman.pull(reference);
  const env = await host.containerEnv(reference);
  assert.match(env, 'container=podman');
  assert.not.match(env, /proxy/i);
});

/** A host that reaches the registry without an agent, too, set up for one at this port that mirrors it by its name. */
async function openReachingHost({ registry, agent }: Site, port: number): Promise<ContainersHost> {
  const host = await openContainersHost({ hosts: TLS_REGISTRY_HOSTS });
  const trusted = await readFile(registry.certFile);
  plant(host.root, { [`/etc/containers/certs.d/${registry.host}/own.crt`]: trusted });
  await setUpPodman(
    host,
    withPort({ ...agent.settings, Mirror: { Default: `https://${registry.host}` } }, port),
  );
  registry.front.faults = [];
  return host;
}

real('podman pulls from the default registry itself while there is no agent', async () => {
  const { open } = await sites();
  await using host = await openReachingHost(open, await freePort());
  const { reference, config } = await open.registry.push('https/alone', {
    layerBytes: [1000],
    seed: 'alone',
  });
  assert.is(await host.podman.pull(reference), config.digest);
});

real('podman that is logged in to the registry alone pulls from there, past the mirror', async () => {
  const { basic } = await sites();
  const { registry, agent } = basic;
  await using host = await openReachingHost(basic, agent.proxyPort);
  const { reference, config } = await registry.push('https/past', { layerBytes: [1000], seed: 'past' });
  await host.login(registry.host, USER, PASSWORD);
  registry.front.forget();
  assert.is(await host.podman.pull(reference), config.digest);
  const asked = registry.front.blobHits();
  assert.ok(asked.length > 0);
  for (const { headers } of asked) assert.match(headers['user-agent'] ?? '', /^containers\//);
});

for (const kind of ['basic', 'token'] as const) {
  real(
    `podman and skopeo pull by the mirror with ${kind} authentication, logged in to the mirror`,
    async () => {
      const site = (await sites())[kind];
      const { agent, host } = site;
      const mirror = `127.0.0.1:${agent.proxyPort}`;
      const wrong = host.login(mirror, USER, 'wrong', '--tls-verify=false');
      assert.match(await refused(wrong), /invalid username|unauthorized/i);
      await host.login(mirror, USER, PASSWORD, '--tls-verify=false');
      await pullTwice(site, 'mirror');
    },
  );

  real(
    `podman and skopeo pull through HTTPS_PROXY with ${kind} authentication, logged in, and only then`,
    async () => {
      const site = (await sites())[kind];
      const { registry, host } = site;
      const { reference } = await registry.push(repositoryOf('https', 'podman'), { layerBytes: LAYERS });
      assert.match(await refused(host.podman.pull(reference)), /unauthorized|denied|authentication/);
      assert.match(await refused(host.login(registry.host, USER, 'wrong')), /invalid username|unauthorized/i);
      await host.login(registry.host, USER, PASSWORD);
      await pullTwice(site, 'https');
      await host.logout(registry.host);
      assert.match(await refused(host.podman.pull(reference)), /unauthorized|denied|authentication/);
    },
  );
}

test.run();
