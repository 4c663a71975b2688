import { OURS } from './edit.ts';
import { insertLines } from './text.ts';
import { parseToml, tablesOf, valueAt } from './toml.ts';

interface NewHosts {
  readonly agent: string;
  /** The registry itself, asked when the agent fails; absent where it differs from image to image. */
  readonly server?: string;
  readonly folder: string;
  /** The names of the files that stand in the folder. */
  readonly certificates: readonly string[];
}

/** A hosts.toml that sends pulls through the agent, and to the registry when the agent cannot serve. */
export function createHostsToml({ agent, server, folder, certificates }: NewHosts): string {
  const top = [
    ...(server === undefined ? [] : [`server = ${JSON.stringify(server)}`]),
    ...certificateLines(folder, certificates),
  ];
  return [OURS, ...top, ...(top.length > 0 ? [''] : []), ...hostTable(agent), ''].join('\n');
}

/** The hosts.toml with the agent before all other hosts: containerd asks them in the order of the file. */
export function editHostsToml(path: string, text: string, agent: string): string {
  const toml = parseToml(path, text);
  if (valueAt(toml.value, ['host', agent]) !== undefined) return text;
  const [first] = tablesOf(toml);
  if (first === undefined) {
    return insertLines(text, text.length, [...(text.trim() === '' ? [] : ['']), OURS, ...hostTable(agent)]);
  }
  return insertLines(text, startOf(text, first.range[0]), [OURS, ...hostTable(agent), '']);
}

const hostTable = (agent: string): string[] => [
  `[host.${JSON.stringify(agent)}]`,
  '  capabilities = ["pull", "resolve"]',
];

/**
 * containerd reads the certificates in a folder only as long as there is no hosts.toml; so a new one names them.
 */
function certificateLines(folder: string, names: readonly string[]): string[] {
  const inFolder = (name: string) => JSON.stringify(`${folder}/${name}`);
  const authorities = names.filter((name) => name.endsWith('.crt')).map(inFolder);
  const clients = names
    .filter((name) => name.endsWith('.cert') && names.includes(name.replace(/cert$/, 'key')))
    .map((name) => `[${inFolder(name)}, ${inFolder(name.replace(/cert$/, 'key'))}]`);
  return [
    ...(authorities.length === 0 ? [] : [`ca = [${authorities.join(', ')}]`]),
    ...(clients.length === 0 ? [] : [`client = [${clients.join(', ')}]`]),
  ];
}

/** Where the line with `offset` begins, or the comment right above it, which belongs to it. */
function startOf(text: string, offset: number): number {
  const at = text.lastIndexOf('\n', offset - 1) + 1;
  if (at === 0) return 0;
  const above = text.lastIndexOf('\n', at - 2) + 1;
  return text.slice(above, at).trimStart().startsWith('#') ? startOf(text, above) : at;
}
