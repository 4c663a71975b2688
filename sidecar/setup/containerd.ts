import type { Edit, RuntimePlan } from './edit.ts';
import type { FileView } from './host-files.ts';
import { createHostsToml, editHostsToml } from './hosts-toml.ts';
import { refuse } from './refuse.ts';
import { decodeText, insertLines } from './text.ts';
import { parseToml, setText, type Toml, valueAt } from './toml.ts';
import type { MirroredRegistry, Wiring } from './wiring.ts';

const CONFIG = '/etc/containerd/config.toml';
// One folder alone, though containerd takes several: 2.2 has a way of pulling that takes the list for one name.
const HOSTS_FOLDER = '/etc/containerd/certs.d';
const RESTART = 'systemctl restart containerd';

/** Where each version of config.toml keeps what CRI knows of registries. */
const REGISTRY_TABLES: ReadonlyMap<unknown, readonly string[]> = new Map([
  [1, ['plugins', 'cri', 'registry']],
  [2, ['plugins', 'io.containerd.grpc.v1.cri', 'registry']],
  [3, ['plugins', 'io.containerd.cri.v1.images', 'registry']],
]);

/**
 * containerd: a hosts.toml for each registry and one for all others, below the folder that its configuration
 * names, or one that it is made to name.
 *
 * @see https://github.com/containerd/containerd/blob/main/docs/hosts.md
 */
export function planContainerd(wiring: Wiring, files: FileView): RuntimePlan {
  const bytes = files.read(CONFIG);
  const config = parseToml(CONFIG, bytes === undefined ? '' : decodeText(CONFIG, bytes));
  const table = registryTable(config);
  const configured = valueAt(config.value, [...table, 'config_path']);
  const folders = typeof configured === 'string' ? configured.split(':').filter(Boolean) : [];
  if (folders.length === 0) checkOldForm(config, table);
  const roots = folders.length === 0 ? [HOSTS_FOLDER] : folders;
  const mirrored = wiring.registries.map((registry) => hostsEdit(registry, wiring.agent, roots, files));
  const edits = [...(folders.length === 0 ? [configPathEdit(table)] : []), ...mirrored];
  return {
    edits: [...edits, defaultEdit(wiring.agent, roots)],
    usesProxy: false,
    notes: notesOn(config, roots),
  };
}

function registryTable({ path, text, value }: Toml): readonly string[] {
  // A file that does not say is of version 1; one that says nothing at all becomes one of version 2.
  const version = value.version ?? (Object.keys(value).length === 0 ? 2 : 1);
  const table = REGISTRY_TABLES.get(version);
  if (table !== undefined) return table;
  const line = text.slice(0, text.indexOf('version')).split('\n').length;
  throw refuse(
    path,
    `has version ${String(version)} (line ${line}), which is not known`,
    'set it up by hand',
  );
}

function checkOldForm({ path, value }: Toml, table: readonly string[]): void {
  const registry = valueAt(value, table) as Record<string, Record<string, object>> | undefined;
  const hasTls = Object.values(registry?.configs ?? {}).some((config) => 'tls' in config);
  if (Object.keys(registry?.mirrors ?? {}).length === 0 && !hasTls) return;
  throw refuse(
    path,
    'has registry mirrors or configs in the old form, which containerd refuses beside config_path',
    `move them into hosts.toml files below ${HOSTS_FOLDER}, then run this again`,
  );
}

const configPathEdit = (table: readonly string[]): Edit => ({
  path: CONFIG,
  purpose: 'config-path',
  activate: RESTART,
  apply(text = '') {
    const toml = parseToml(CONFIG, text);
    if (valueAt(toml.value, [...table, 'config_path'])) return text;
    // Without a version it would be taken for one of version 1, and the table for unknown.
    const isBlank = Object.keys(toml.value).length === 0;
    const versioned = isBlank ? parseToml(CONFIG, insertLines(text, text.length, ['version = 2'])) : toml;
    return setText(versioned, table, 'config_path', HOSTS_FOLDER);
  },
});

function hostsEdit(
  { name, origin }: MirroredRegistry,
  agent: string,
  roots: readonly string[],
  files: FileView,
): Edit {
  // containerd takes the first folder that has one for the host; a port may be spelled without its colon.
  const names = [name, name.replace(/:(\d+)$/, '_$1_')];
  const known = roots.flatMap((root) =>
    files.list(root).flatMap((entry) => (names.includes(entry) ? [`${root}/${entry}`] : [])),
  );
  const folder = known[0] ?? `${roots[0]}/${name}`;
  const path = `${folder}/hosts.toml`;
  return {
    path,
    purpose: 'mirror',
    apply: (text) =>
      text === undefined
        ? createHostsToml({ agent, server: origin, folder, certificates: files.list(folder) })
        : editHostsToml(path, text, agent),
  };
}

function defaultEdit(agent: string, roots: readonly string[]): Edit {
  // In the last: in an earlier one it would hide the folders of hosts in those after it.
  const folder = `${roots.at(-1)}/_default`;
  const path = `${folder}/hosts.toml`;
  return {
    path,
    purpose: 'mirror',
    apply: (text) =>
      text === undefined
        ? createHostsToml({ agent, folder, certificates: [] })
        : editHostsToml(path, text, agent),
  };
}

function notesOn({ value }: Toml, roots: readonly string[]): string[] {
  const disabled = Array.isArray(value.disabled_plugins) ? value.disabled_plugins.map(String) : [];
  const isOff = disabled.some((name) => name === 'cri' || name.startsWith('io.containerd.grpc.v1.cri'));
  return [
    ...(isOff
      ? [`${CONFIG} turns the CRI plugin off (disabled_plugins): Kubernetes cannot pull until it is on`]
      : []),
    ...(roots.length > 1
      ? [
          `config_path in ${CONFIG} names several folders, which containerd 2.2 takes for one: best name one alone`,
        ]
      : []),
    `ctr reads the files when told: ctr images pull --hosts-dir ${roots.at(-1)} …`,
  ];
}
