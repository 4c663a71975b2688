// Writes the files of infra/containerd, infra/docker and infra/podman: what `dadip2p setup` would write on a host
// that has none, for an agent with the default settings.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { loadSettings } from '../functions/service/config/load.ts';
import { planContainerd } from '../sidecar/setup/containerd.ts';
import { planDocker } from '../sidecar/setup/docker.ts';
import type { RuntimePlan } from '../sidecar/setup/edit.ts';
import { planPodman } from '../sidecar/setup/podman.ts';
import { wiringOf } from '../sidecar/setup/wiring.ts';

// What has a proxy key of its own in daemon.json since 23, and before needs a drop-in of its unit.
const [RECENT, OLD] = [28, 20];
const NO_FILES = { read: () => undefined, list: () => [] };

/** Each file, named from this folder, with its text. */
export function snippets(): ReadonlyMap<string, string> {
  const settings = loadSettings({ text: undefined, file: 'the default settings', env: {} });
  const wiring = wiringOf(settings);
  const proxied = { ...wiring, interception: { authority: '', hosts: [], isWide: false } };
  return new Map([
    ...filesOf('containerd', '/etc/containerd/', planContainerd(wiring, NO_FILES)),
    ...filesOf('docker', '/etc/docker/', planDocker(wiring, NO_FILES, RECENT)),
    ...filesOf('docker', '/etc/systemd/system/', planDocker(proxied, NO_FILES, OLD)),
    ...filesOf('podman', '/etc/containers/', planPodman(proxied, NO_FILES)),
  ]);
}

const filesOf = (folder: string, prefix: string, { edits }: RuntimePlan): [string, string][] =>
  edits
    .filter(({ path }) => path.startsWith(prefix))
    .map((edit) => [`${folder}/${edit.path.slice(prefix.length)}`, edit.apply(undefined)]);

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) {
  for (const [name, text] of snippets()) {
    const path = fileURLToPath(new URL(name, import.meta.url));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}
