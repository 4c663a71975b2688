import type { AST } from 'toml-eslint-parser';
import { type Edit, OURS, type RuntimePlan } from './edit.ts';
import type { FileView } from './host-files.ts';
import { refuse } from './refuse.ts';
import { decodeText, insertLines, nextLine } from './text.ts';
import { parseToml, type Toml, tablesOf, valueAt } from './toml.ts';
import { trustEdits } from './trust.ts';
import type { MirroredRegistry, Wiring } from './wiring.ts';

const REGISTRIES = '/etc/containers/registries.conf';
const DROP_INS = '/etc/containers/registries.conf.d';
const OWN = `${DROP_INS}/50-dadip2p.conf`;
const CERTIFICATES = '/etc/containers/certs.d';
const ENGINE = '/etc/containers/containers.conf';
const ENGINE_DROP_INS = '/etc/containers/containers.conf.d';
const OWN_ENGINE = `${ENGINE_DROP_INS}/50-dadip2p.conf`;
// There is no setting for it (buildah pkg/cli/common.go: "http-proxy", true).
const BUILDS =
  'podman build gives its proxy to RUN steps, which do not reach the agent: build with --http-proxy=false';

/**
 * podman, buildah, skopeo and CRI-O: a mirror for the registry that the agent takes requests for when they name
 * none (these programs never do), and for the others the proxy, with the certificates to trust.
 *
 * @see containers-registries.conf(5), containers-registries.conf.d(5), containers.conf(5)
 */
export function planPodman(wiring: Wiring, files: FileView): RuntimePlan {
  const { defaultRegistry, interception, agent } = wiring;
  const mirrored = [mirrorEdit(defaultRegistry, agent, files)];
  if (interception === undefined) return { edits: mirrored, usesProxy: false, notes: [] };
  const trust = trustEdits(interception, { runtime: 'podman', folder: CERTIFICATES }, files);
  const environment = [`HTTPS_PROXY=${agent}`, `NO_PROXY=${notByProxy(defaultRegistry).join(',')}`];
  const obstacle = obstacleToProxy(files, environment);
  if (obstacle !== undefined) {
    return { edits: [...mirrored, ...trust.edits], usesProxy: false, notes: [...trust.notes, obstacle] };
  }
  const edits = [...mirrored, engineEdit(environment), ...trust.edits];
  return { edits, usesProxy: true, notes: [...trust.notes, BUILDS] };
}

/** Where the last table for a registry is wins over all before it, mirrors included: so it is that one we add to. */
function mirrorEdit({ name }: MirroredRegistry, agent: string, files: FileView): Edit {
  const drops = files.list(DROP_INS).filter((entry) => entry.endsWith('.conf'));
  const paths = [REGISTRIES, ...drops.map((entry) => `${DROP_INS}/${entry}`)];
  const parsed = paths.flatMap((path) => {
    const bytes = files.read(path);
    return bytes === undefined ? [] : [parseToml(path, decodeText(path, bytes))];
  });
  for (const { path, value } of parsed) {
    // The form of old, which no file of the new may stand beside.
    if (valueAt(value, ['registries']) === undefined) continue;
    throw refuse(
      path,
      'is in the form of version 1',
      'rewrite it with [[registry]] tables, then run this again',
    );
  }
  const path = parsed.findLast((toml) => registryTable(toml, name) !== undefined)?.path ?? OWN;
  return {
    path,
    purpose: 'mirror',
    apply: (text) =>
      text === undefined ? newFile(name, agent) : withMirror(parseToml(path, text), name, agent),
  };
}

const newFile = (name: string, agent: string): string =>
  [OURS, ...registryLines(name), '', ...mirrorLines(agent), ''].join('\n');

const registryLines = (name: string): string[] => [
  '[[registry]]',
  `prefix = ${JSON.stringify(name)}`,
  `location = ${JSON.stringify(name)}`,
];

const mirrorLines = (agent: string): string[] => [
  '[[registry.mirror]]',
  `location = ${JSON.stringify(new URL(agent).host)}`,
  // Plain HTTP, to this host.
  'insecure = true',
];

function withMirror(toml: Toml, name: string, agent: string): string {
  const { path, text } = toml;
  const table = registryTable(toml, name);
  if (table === undefined) {
    return insertLines(text, text.length, ['', OURS, ...registryLines(name), '', ...mirrorLines(agent)]);
  }
  const index = table.resolvedKey[1] as number;
  const registry = (toml.value.registry as readonly Record<string, unknown>[])[index];
  const mirrors = registry?.mirror ?? [];
  if (!Array.isArray(mirrors)) throw refuse(path, '"mirror" is not a list', 'correct it');
  if (mirrors.some((mirror) => mirror?.location === new URL(agent).host)) return text;
  if (table.body.some(({ key }) => text.slice(...key.range) === 'mirror')) {
    throw refuse(path, `writes the mirrors of ${name} in one line`, 'write each as [[registry.mirror]]');
  }
  const last = table.body.at(-1) ?? table.key;
  return insertLines(text, nextLine(text, last.range[1]), ['', OURS, ...mirrorLines(agent)]);
}

function registryTable(toml: Toml, name: string): AST.TOMLTable | undefined {
  const registries = toml.value.registry;
  if (!Array.isArray(registries)) return undefined;
  return tablesOf(toml).find((table) => {
    const [key, index, ...more] = table.resolvedKey;
    if (table.kind !== 'array' || key !== 'registry' || typeof index !== 'number' || more.length > 0)
      return false;
    const { prefix, location } = registries[index];
    return (prefix || location) === name;
  });
}

/** Why podman cannot be told of the proxy by a file of ours, and what to do about it. */
function obstacleToProxy(files: FileView, environment: readonly string[]): string | undefined {
  const own = lastToSet(files, ['engine', 'env']);
  if (own !== undefined) {
    return `${own} sets [engine] env, which is not added to from elsewhere: add ${environment.join(' and ')} there, and http_proxy = false to its [containers]`;
  }
  const passing = lastToSet(files, ['containers', 'http_proxy']);
  return passing === undefined
    ? undefined
    : `${passing} has podman give its proxy to containers (http_proxy), for which ${environment[0]} leads nowhere: podman is given none`;
}

/** The last file of podman's configuration, ours aside, that has something under a key; it counts alone. */
function lastToSet(files: FileView, key: readonly string[]): string | undefined {
  const drops = files.list(ENGINE_DROP_INS).filter((entry) => entry.endsWith('.conf'));
  return [ENGINE, ...drops.map((entry) => `${ENGINE_DROP_INS}/${entry}`)].findLast((path) => {
    const bytes = path === OWN_ENGINE ? undefined : files.read(path);
    return bytes !== undefined && valueAt(parseToml(path, decodeText(path, bytes)).value, key);
  });
}

// The registry that has the mirror is asked itself when the agent is away; by a proxy that is the agent it could not be.
function notByProxy({ name }: MirroredRegistry): string[] {
  const { hostname } = new URL(`https://${name}`);
  // Where Docker Hub keeps its layers.
  return ['localhost', '127.0.0.0/8', hostname, ...(hostname === 'docker.io' ? ['docker.com'] : [])];
}

const engineEdit = (environment: readonly string[]): Edit => ({
  path: OWN_ENGINE,
  purpose: 'proxy',
  apply: () =>
    [
      OURS,
      '[engine]',
      `env = [${environment.map((entry) => JSON.stringify(entry)).join(', ')}]`,
      '',
      '[containers]',
      '# They would be given the proxy, too, and have a 127.0.0.1 of their own.',
      'http_proxy = false',
      '',
    ].join('\n'),
});
