import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SETUP, UNINSTALL } from '../../../sidecar/cli/setup.ts';
import { runCommand } from '../../support/command.ts';
import { eachCase } from '../../support/each-case.ts';
import { plant, snapshot } from '../../support/host-tree.ts';
import { rejects } from '../../support/rejects.ts';
import { tempDir } from '../../support/temp-dir.ts';

const test = suite('sidecar/cli/setup');

const DAEMON = '/etc/docker/daemon.json';

test('--dry-run shows the difference and writes nothing', async () => {
  await using dir = await tempDir();
  plant(dir.path, { [DAEMON]: '{\n  "debug": true\n}\n' });
  const before = snapshot(dir.path);
  const { out, asked } = await runCommand(SETUP, ['docker', '--dry-run', '--root', dir.path]);
  assert.match(out, `--- ${DAEMON}\n+++ ${DAEMON}\n`);
  assert.match(out, '+  "registry-mirrors": [\n+    "http://127.0.0.1:19245"\n+  ]\n');
  assert.equal(asked, []);
  assert.equal(snapshot(dir.path), before);
});

test('asks, and takes only a yes for one', () =>
  eachCase({ y: true, YES: true, '': false, n: false, yo: false }, async (isDone, answer) => {
    await using dir = await tempDir();
    const { asked, out } = await runCommand(SETUP, ['podman', '--root', dir.path], { answer });
    assert.is(asked.length, 1);
    assert.is(Object.keys(snapshot(dir.path)).length > 0, isDone);
    assert.match(out, isDone ? 'podman is set up.' : 'Nothing was changed.');
  }));

test('without a terminal it wants --yes, and writes nothing', async () => {
  await using dir = await tempDir();
  const { message } = await rejects('CONFIG_INVALID', runCommand(SETUP, ['docker', '--root', dir.path]));
  assert.match(message, 'add --yes');
  assert.equal(snapshot(dir.path), {});
});

test('says which command makes the daemon read it, and runs none', async () => {
  await using dir = await tempDir();
  const docker = await runCommand(SETUP, ['docker', '--yes', '--root', dir.path]);
  assert.match(docker.out, 'Now run: systemctl reload docker');
  const containerd = await runCommand(SETUP, ['containerd', '--yes', '--root', dir.path]);
  assert.match(containerd.out, 'Now run: systemctl restart containerd');
  const podman = await runCommand(SETUP, ['podman', '--yes', '--root', dir.path]);
  assert.not.match(podman.out, 'Now run');
});

test('a second time there is nothing to do, nor to ask; uninstall asks, and a second one has nothing to do', async () => {
  await using dir = await tempDir();
  const root = ['containerd', '--root', dir.path];
  await runCommand(SETUP, [...root, '-y']);
  const again = await runCommand(SETUP, root);
  assert.match(again.out, 'Nothing to do');
  assert.equal(again.asked, []);
  const undone = await runCommand(UNINSTALL, root, { answer: 'y' });
  assert.match(undone.out, 'containerd is as it was before setup.');
  assert.match(undone.out, 'Now run: systemctl restart containerd');
  assert.equal(snapshot(dir.path), {});
  assert.match((await runCommand(UNINSTALL, root)).out, 'Nothing to do');
});

test('what somebody changes while it asks is not written over: it stops there, naming the file', () =>
  eachCase({ setup: SETUP, uninstall: UNINSTALL }, async (command) => {
    await using dir = await tempDir();
    plant(dir.path, { [DAEMON]: '{\n  "debug": true\n}\n' });
    const args = ['docker', '--root', dir.path];
    if (command === UNINSTALL) await runCommand(SETUP, [...args, '--yes']);
    let before = {};
    const answer = async () => {
      const file = join(dir.path, DAEMON);
      writeFileSync(file, readFileSync(file, 'utf8').replace('true', 'false'));
      before = snapshot(dir.path);
      return 'y';
    };
    const { message } = await rejects('SETUP_REFUSED', runCommand(command, args, { answer }));
    assert.match(message, `${DAEMON}: was changed meanwhile`);
    assert.equal(snapshot(dir.path), before);
  }));

test('what another setup does while it asks is remembered beside its own', async () => {
  await using dir = await tempDir();
  const root = ['--root', dir.path, '--yes'];
  const answer = async () => {
    await runCommand(SETUP, ['containerd', ...root]);
    return 'y';
  };
  await runCommand(SETUP, ['docker', '--root', dir.path], { answer });
  for (const runtime of ['containerd', 'docker']) await runCommand(UNINSTALL, [runtime, ...root]);
  assert.equal(snapshot(dir.path), {});
});

test('the ports and registries are those of the configuration', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'agent.yaml');
  const settings = {
    ProxyConfig: { Host: '0.0.0.0', Port: 7000 },
    Mirror: { Default: 'https://quay.io', Registries: { 'registry.lan': 'http://registry.lan:5000' } },
    Origins: ['quay.io', 'http://registry.lan:5000'],
  };
  writeFileSync(file, JSON.stringify(settings));
  const show = async (runtime: string) =>
    (await runCommand(SETUP, [runtime, '--dry-run', '--root', dir.path, '-c', file])).out;
  const containerd = await show('containerd');
  assert.match(containerd, '+++ /etc/containerd/certs.d/registry.lan/hosts.toml');
  assert.match(containerd, '+server = "http://registry.lan:5000"');
  assert.match(containerd, '+[host."http://127.0.0.1:7000"]');
  assert.match(await show('podman'), '+prefix = "quay.io"');
});

const REFUSED: Readonly<Record<string, readonly [args: string[], settings: object, said: string]>> = {
  'no runtime': [[], {}, 'no runtime is named: dadip2p setup docker|containerd|podman'],
  'a slip': [['dokcer'], {}, 'unknown runtime dokcer; did you mean docker?'],
  'a root': [['docker'], { P2PConfig: { RunMode: 'root' } }, 'runtimes pull through an agent'],
  'any free port': [['docker'], { ProxyConfig: { Port: 0 } }, 'runtimes need one that stays'],
  'a folder that is not there': [['docker', '--root', '/no/such'], {}, '--root: there is no folder /no/such'],
  'no version': [['docker', '--docker-version', 'new'], {}, 'new is no version'],
};

test('what cannot be meant is refused with what to do instead', () =>
  eachCase(REFUSED, async ([args, settings, said]) => {
    await using dir = await tempDir();
    const file = join(dir.path, 'agent.yaml');
    writeFileSync(file, JSON.stringify(settings));
    const ran = runCommand(SETUP, ['--root', dir.path, ...args, '--dry-run', '-c', file]);
    assert.match((await rejects('CONFIG_INVALID', ran)).message, said);
  }));

test.run();
