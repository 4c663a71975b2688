import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import type { Image } from '../support/image.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { metric, startAgent, startRoot } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { shared } from '../support/shared.ts';
import { tempDir } from '../support/temp-dir.ts';
import { startTlsRegistries, TLS_REGISTRY_HOSTS, type TlsRegistry } from '../support/tls-registries.ts';

const NAME = 'system/docker-https';
const test = suite(NAME);

const MiB = 2 ** 20;
const REPOSITORY = 'team/app';
const LAYERS = [5 * MiB + 1, 3 * MiB, 1000];
const [USER, PASSWORD] = ['alice', 's3cret'] as const;

/** A registry with the image that is pulled from it. */
interface Stocked extends TlsRegistry {
  readonly image: Image;
}

interface Host extends AsyncDisposable {
  readonly open: Stocked;
  readonly basic: Stocked;
  readonly token: Stocked;
  readonly agent: NodeProcess;
  readonly dockerd: Dockerd;
}

/** Docker on a host whose HTTPS goes through an agent, and three registries beyond. */
const host = shared<Host>(test, async () => {
  const disposables: AsyncDisposable[] = [];
  const held = async <T extends AsyncDisposable>(starting: Promise<T>): Promise<T> => {
    const value = await starting;
    disposables.unshift(value);
    return value;
  };
  const user = { user: USER, password: PASSWORD, repositories: [REPOSITORY] };
  const { authority, ...beyond } = await held(startTlsRegistries(user));
  const stock = async (registry: TlsRegistry): Promise<Stocked> => ({
    ...registry,
    image: await registry.push(REPOSITORY, { layerBytes: LAYERS, seed: registry.host }),
  });
  const registries = {
    open: await stock(beyond.open),
    basic: await stock(beyond.basic),
    token: await stock(beyond.token),
  };

  const dir = await held(tempDir());
  const CertPath = join(dir.path, 'ca.crt');
  const CertConfig = { CertPath, KeyPath: join(dir.path, 'ca.key'), GenerateCert: true };
  const options = {
    origins: Object.values(registries).map(({ host }) => `https://${host}`),
    hosts: TLS_REGISTRY_HOSTS,
    chunkSize: '1MiB',
    root: { ExtraCA: authority.certFile },
    agent: { ExtraCA: authority.certFile, ProxyConfig: { CertConfig } },
  };
  const root = await held(startRoot(options));
  const agent = await held(startAgent(options, [root.url]));
  // The registries' own authority is not among those that Docker trusts, nor can it resolve their names.
  const env = { HTTPS_PROXY: `http://127.0.0.1:${agent.proxyPort}`, SSL_CERT_FILE: CertPath };
  const dockerd = await held(startDockerd({ env }));
  return {
    ...registries,
    agent,
    dockerd,
    async [Symbol.asyncDispose]() {
      for (const value of disposables) await value[Symbol.asyncDispose]();
    },
  };
});

/** Pulls, and once more when the registry has no blobs to give. */
async function pullTwice({ front, image }: Stocked): Promise<void> {
  const { reference } = image;
  const { agent, dockerd } = await host();
  assert.is(await dockerd.pull(reference), image.config.digest);
  const size = [image.config, ...image.layers].reduce((sum, { size }) => sum + size, 0);
  const sent = front.blobHits().filter(({ method, status }) => method === 'GET' && status < 300);
  assert.is(
    sent.reduce((sum, { bytes }) => sum + bytes, 0),
    size,
    'the registry sent each byte of each blob once',
  );
  await dockerd.remove(reference);
  front.forget();
  front.faults = [{ on: /\/blobs\//, status: 503 }];
  assert.is(await dockerd.pull(reference), image.config.digest);
  await dockerd.remove(reference);
  assert.equal(front.blobHits(), []);
  assert.ok(front.hits.length > 0, 'the tag was looked up at the registry');
  assert.ok((await metric(agent, 'p2p_replies_total', 'status="200"')) > 0);
  assert.is(await metric(agent, 'p2p_replies_total', 'status="5'), 0, 'nothing failed');
}

const refused = async (pull: Promise<unknown>): Promise<string> =>
  pull.then(
    () => 'pulled',
    (error: Error) => error.message,
  );

const real = need(test, NAME, 'docker-registry', 'dockerd', 'htpasswd', 'openssl');

real(
  'docker pulls from a TLS registry through HTTPS_PROXY, the second time without a blob from it',
  async () => {
    const { open } = await host();
    await pullTwice(open);
  },
);

for (const way of ['basic', 'token'] as const) {
  real(
    `docker pulls from a registry with ${way} authentication once it is logged in, cold and warm`,
    async () => {
      const it = await host();
      const { dockerd } = it;
      const registry = it[way];
      assert.match(
        await refused(dockerd.pull(registry.image.reference)),
        /denied|unauthorized|no basic auth/,
      );
      assert.match(await refused(dockerd.login(registry.host, USER, 'wrong')), /401|unauthorized|incorrect/i);
      await dockerd.login(registry.host, USER, PASSWORD);
      await pullTwice(registry);
      await dockerd.logout(registry.host);
      assert.match(
        await refused(dockerd.pull(registry.image.reference)),
        /denied|unauthorized|no basic auth/,
      );
      registry.front.faults = [];
      assert.match(
        await refused(dockerd.pull(registry.image.reference)),
        /denied|unauthorized|no basic auth/,
      );
    },
  );
}

test.run();
