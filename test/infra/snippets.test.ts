import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { snippets } from '../../infra/snippets.ts';
import { SETUP } from '../../sidecar/cli/setup.ts';
import { runCommand } from '../support/command.ts';
import { tempDir } from '../support/temp-dir.ts';

const test = suite('infra/snippets');

const read = (name: string) => readFileSync(new URL(`../../infra/${name}`, import.meta.url), 'utf8');

test('the files for each runtime are those that "npm run example" writes', () => {
  for (const [name, text] of snippets()) assert.is(read(name), text, `${name}: run "npm run example"`);
});

test('setup writes on an empty host exactly what they say', async () => {
  await using dir = await tempDir();
  for (const runtime of ['containerd', 'docker', 'podman']) {
    await runCommand(SETUP, [runtime, '--yes', '--root', dir.path, '--docker-version', '28']);
  }
  for (const [name, path] of [
    ['containerd/config.toml', '/etc/containerd/config.toml'],
    ['containerd/certs.d/docker.io/hosts.toml', '/etc/containerd/certs.d/docker.io/hosts.toml'],
    ['containerd/certs.d/_default/hosts.toml', '/etc/containerd/certs.d/_default/hosts.toml'],
    ['docker/daemon.json', '/etc/docker/daemon.json'],
    ['podman/registries.conf.d/50-dadip2p.conf', '/etc/containers/registries.conf.d/50-dadip2p.conf'],
  ] as const) {
    assert.is(readFileSync(join(dir.path, path), 'utf8'), read(name), name);
  }
});

test.run();
