import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eachCase } from '../support/each-case.ts';
import { type Planted, plant } from '../support/host-tree.ts';
import { need } from '../support/programs.ts';
import { MIRRORING, setUp } from '../support/set-up.ts';
import { tempDir } from '../support/temp-dir.ts';

const NAME = 'system/setup-read';
const test = suite(NAME);
const run = promisify(execFile);
const CONFIG = '/etc/containerd/config.toml';

const CONFIGS: Readonly<Record<string, Readonly<Record<string, Planted>>>> = {
  'none at first': {},
  empty: { [CONFIG]: '' },
  'of version 1': { [CONFIG]: '[plugins.cri]\n  sandbox_image = "registry.lan/pause:3.9"\n' },
  'with the table': {
    [CONFIG]: 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n[debug]\nlevel = "info"\n',
  },
};

need(
  test,
  NAME,
  'containerd',
)('containerd itself reads the folder out of what setup wrote', () =>
  eachCase(CONFIGS, async (tree) => {
    await using dir = await tempDir();
    plant(dir.path, tree);
    setUp('containerd', dir.path, MIRRORING);
    const { stdout } = await run('containerd', ['-c', join(dir.path, CONFIG), 'config', 'dump']);
    assert.match(stdout, 'config_path = "/etc/containerd/certs.d"');
  }),
);

need(
  test,
  NAME,
  'skopeo',
)('skopeo reads the registries out of what setup wrote: it asks the mirror before the registry', async () => {
  await using dir = await tempDir();
  // Where nothing listens; the error names whom it has asked.
  setUp('podman', dir.path, { ...MIRRORING, agent: 'http://127.0.0.1:1' });
  const conf = join(dir.path, 'etc/containers/registries.conf.d/50-dadip2p.conf');
  const asked = run('skopeo', ['--registries-conf', conf, 'inspect', 'docker://docker.io/library/app:v1'], {
    env: { ...process.env, HTTPS_PROXY: 'http://127.0.0.1:1' },
  });
  const { stderr } = await asked.catch((error: { stderr: string }) => error);
  assert.match(stderr, '127.0.0.1:1/library/app:v1');
});

test.run();
