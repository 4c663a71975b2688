import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { readSettings } from '../../functions/service/config/file.ts';

const test = suite('system/compose');

const at = (name: string) => fileURLToPath(new URL(`../../infra/compose/${name}`, import.meta.url));

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { condition: string }>>;
  readonly healthcheck?: object;
  readonly stop_grace_period?: string;
  readonly read_only?: boolean;
}

const { services, volumes } = parse(readFileSync(at('compose.yaml'), 'utf8'), { merge: true }) as {
  services: Readonly<Record<string, Service>>;
  volumes: object;
};
const service = (name: string) => services[name] as Service;

const settingsOf = (name: string) =>
  readSettings({ file: at(`${name}.yaml`), env: service(name).environment ?? {} });

test('the configurations are valid, with the environment they are given', () => {
  const root = settingsOf('root');
  const agent = settingsOf('agent');
  assert.is(root.P2PConfig.RunMode, 'root');
  assert.equal(agent.P2PConfig.RootList, [`root:${root.P2PConfig.Port}`]);
  assert.equal(agent.Origins, root.Origins);
  assert.ok(agent.Origins.includes(agent.Mirror.Default));
  assert.is(new URL(agent.Mirror.Default).hostname in services, true);
});

test("MinIO's keys are those of the root, and it is where the root looks for it", () => {
  const { S3 } = settingsOf('root');
  const { environment } = service('minio');
  assert.is(S3?.AccessKeyId, environment?.MINIO_ROOT_USER);
  assert.is(S3?.SecretAccessKey, environment?.MINIO_ROOT_PASSWORD);
  assert.is(new URL(S3?.Endpoint ?? '').host, 'minio:9000');
});

test('publishes the ports of the agent on loopback alone, and they listen where that can reach them', () => {
  const { P2PConfig, ProxyConfig, Admin } = settingsOf('agent');
  const listeners = [P2PConfig, ProxyConfig, Admin];
  assert.equal(
    service('agent').ports,
    listeners.map(({ Port }) => `127.0.0.1:${Port}:${Port}`),
  );
  for (const { Host } of listeners) assert.is(Host, '0.0.0.0');
});

test('each service waits until those it needs are healthy, and each of these can tell', () => {
  const ours = ['root', 'agent'];
  for (const [name, { depends_on: needs = {} }] of Object.entries(services)) {
    for (const [need, { condition }] of Object.entries(needs)) {
      assert.is(condition, 'service_healthy', `${name} → ${need}`);
      // Our own say it in the image.
      assert.ok(service(need).healthcheck !== undefined || ours.includes(need), need);
    }
  }
  assert.equal(Object.keys(service('agent').depends_on ?? {}), ['root', 'registry']);
});

test('stops later than a node takes to let its transfers finish', () => {
  for (const name of ['root', 'agent']) {
    const seconds = Number(/^(\d+)s$/.exec(service(name).stop_grace_period ?? '')?.[1]);
    assert.ok(seconds * 1000 > settingsOf(name).Timeouts.Drain + 5_000);
  }
});

test('what it mounts, builds from and names is there, and every image is pinned', () => {
  for (const [name, { image, build, volumes: mounts = [] }] of Object.entries(services)) {
    for (const mount of mounts) {
      const [source = ''] = mount.split(':');
      assert.ok(source.startsWith('.') ? existsSync(at(source)) : source in volumes, `${name}: ${source}`);
    }
    if (build !== undefined) assert.ok(existsSync(at(`${build.context}/${build.dockerfile}`)));
    else assert.match(image, /:[^:/]*\d+\.?\d*/, image);
  }
});

test('our nodes have a read-only root, and the agent a volume where its cache is', () => {
  assert.ok(service('root').read_only && service('agent').read_only);
  const { FileCachePath } = settingsOf('agent').P2PConfig.CacheConfig;
  assert.ok(service('agent').volumes?.some((mount) => mount.endsWith(`:${FileCachePath}`)));
});

test.run();
