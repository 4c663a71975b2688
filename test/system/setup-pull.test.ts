import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DOCTOR } from '../../sidecar/cli/doctor.ts';
import { SETUP } from '../../sidecar/cli/setup.ts';
import { runCommand } from '../support/command.ts';
import { startContainerd } from '../support/containerd.ts';
import { freePort } from '../support/daemon.ts';
import { startDockerd } from '../support/dockerd.ts';
import { pushImage } from '../support/image.ts';
import { startNode } from '../support/node-process.ts';
import { need } from '../support/programs.ts';
import { startWatchedRegistry } from '../support/registry.ts';
import { tempDir } from '../support/temp-dir.ts';

const NAME = 'system/setup-pull';
const test = suite(NAME);
const run = promisify(execFile);

// Docker Hub cannot be reached under its own name here, so what is pulled has come by the agent.
const IMAGE = 'docker.io/library/app:v1';

/** Sets a runtime up below a folder for an agent that takes a registry of ours for Docker Hub; then pulls. */
async function withAgent(runtime: string, pull: (root: string) => Promise<void>): Promise<void> {
  await using dir = await tempDir();
  await using registry = await startWatchedRegistry();
  await pushImage(registry.url, 'library/app', 'v1', { layerBytes: [100_000] });
  const settings = {
    Origins: [registry.url],
    ProxyConfig: { Port: await freePort() },
    Mirror: { Default: registry.url, Registries: { 'docker.io': registry.url } },
    P2PConfig: { Port: await freePort() },
    Admin: { Port: await freePort() },
  };
  await using _ = await startNode({ settings });
  const file = join(dir.path, 'agent.yaml');
  writeFileSync(file, JSON.stringify(settings));
  const root = join(dir.path, 'host');
  mkdirSync(root);
  const args = [runtime, '-c', file, '--root', root];
  assert.match((await runCommand(SETUP, [...args, '--yes'])).out, `${runtime} is set up.`);
  await pull(root);
  assert.ok(registry.blobHits().length > 0);
  const { out, code } = await runCommand(DOCTOR, [...args, '--image', IMAGE]);
  assert.is(code, 0, out);
}

need(
  test,
  NAME,
  'docker-registry',
  'dockerd',
)('dockerd pulls through the agent with the file that setup wrote, and doctor finds nothing', () =>
  withAgent('docker', async (root) => {
    await using dockerd = await startDockerd({ configFile: join(root, 'etc/docker/daemon.json') });
    await dockerd.pull('app:v1');
  }),
);

need(
  test,
  NAME,
  'docker-registry',
  'containerd',
)('containerd pulls through the agent with the files that setup wrote, and doctor finds nothing', () =>
  withAgent('containerd', async (root) => {
    await using containerd = await startContainerd({ hostsDir: join(root, 'etc/containerd/certs.d') });
    await containerd.pull(IMAGE);
  }),
);

need(
  test,
  NAME,
  'docker-registry',
  'skopeo',
)('skopeo, which reads what podman does, pulls through the agent with the file that setup wrote', () =>
  withAgent('podman', async (root) => {
    const conf = join(root, 'etc/containers/registries.conf.d/50-dadip2p.conf');
    const image = `dir:${join(root, 'image')}`;
    await run('skopeo', ['--insecure-policy', '--registries-conf', conf, 'copy', `docker://${IMAGE}`, image]);
  }),
);

test.run();
