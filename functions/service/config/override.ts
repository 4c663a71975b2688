import { parse } from 'yaml';
import { type Fault, formatPath, type SettingPath } from './fault.ts';
import { nearest } from './nearest.ts';
import { SETTINGS_SCHEMA } from './schema.ts';
import type { SettingSchema } from './setting-schema.ts';
import { withoutEmpty } from './text.ts';

/** A setting that takes precedence over the file. */
export interface Override {
  readonly path: SettingPath;
  readonly value: unknown;
  /** Told beside a fault: the variable or the flag that gave it. */
  readonly source: string;
}

const ENV_PREFIX = 'DADIP2P_';

/** Overrides out of `DADIP2P_P2PConfig__Port=1` and its like, outer sections first; `__` separates levels. */
export function parseEnvironment(env: Readonly<Record<string, string | undefined>>): Override[] {
  return Object.entries(env)
    .filter((entry): entry is [string, string] => entry[0].startsWith(ENV_PREFIX) && entry[1] !== undefined)
    .map(([name, text]) =>
      parseOverride(name.slice(ENV_PREFIX.length).split('__'), text, `environment ${name}`),
    )
    .sort((a, b) => a.path.length - b.path.length);
}

/** An override given as text: taken as it is for a text setting, read as YAML (`1`, `true`, `[a, b]`) for others. */
export function parseOverride(path: SettingPath, text: string, source: string): Override {
  const schema = schemaAt(path);
  if (schema === undefined || schema.type === 'string') return { path, value: text, source };
  try {
    const value = withoutEmpty(parse(text));
    // One entry of a list by itself is a list of one.
    const isEntry = schema.type === 'array' && schema.items.type === 'string' && isScalar(value);
    return { path, value: isEntry ? [text] : value, source };
  } catch {
    return { path, value: text, source };
  }
}

const isScalar = (value: unknown): boolean => typeof value === 'string' || typeof value === 'number';

/** Puts each override into the tree; those whose key no setting has are told as faults instead. */
export function applyOverrides(tree: Record<string, unknown>, overrides: readonly Override[]): Fault[] {
  const faults: Fault[] = [];
  for (const { path, value } of overrides) {
    if (schemaAt(path) === undefined || path.some((key) => /^\d+$/.test(key)))
      faults.push({ path, problem: unknownKey(path) });
    else put(tree, path, value);
  }
  return faults;
}

function put(tree: Record<string, unknown>, path: SettingPath, value: unknown): void {
  const [key = '', ...rest] = path;
  if (rest.length === 0) {
    if (value === null) delete tree[key];
    else tree[key] = value;
    return;
  }
  const section = tree[key] ?? {};
  tree[key] = section;
  // A section that is no section is a fault of its own, told when the tree is checked.
  if (typeof section === 'object' && !Array.isArray(section))
    put(section as Record<string, unknown>, rest, value);
}

function schemaAt(path: SettingPath): SettingSchema | undefined {
  let schema: SettingSchema | undefined = SETTINGS_SCHEMA;
  for (const key of path) schema = partOf(schema, key);
  return schema;
}

function partOf(schema: SettingSchema | undefined, key: string): SettingSchema | undefined {
  if (schema?.type === 'array' && /^\d+$/.test(key)) return schema.items;
  if (schema?.type === 'map') return schema.values;
  return schema?.type === 'object' && Object.hasOwn(schema.properties, key)
    ? schema.properties[key]
    : undefined;
}

/** What to say of a key that does not exist: the nearest one here, else where a key of that name does stand. */
export function unknownKey(path: SettingPath): string {
  const depth = path.findIndex((_, at) => schemaAt(path.slice(0, at + 1)) === undefined);
  const section = path.slice(0, depth);
  const key = path[depth] ?? '';
  const known = settingPaths(section);
  const sibling = nearest(
    key,
    known.map((near) => near[depth] ?? ''),
  );
  if (sibling !== undefined) {
    const whole = [...section, sibling, ...path.slice(depth + 1)];
    const meant = schemaAt(whole) === undefined ? [...section, sibling] : whole;
    return `unknown key; did you mean ${formatPath(meant)}?`;
  }
  const elsewhere = settingPaths([]).find((other) => other.at(-1)?.toLowerCase() === key.toLowerCase());
  if (elsewhere !== undefined) return `unknown key here; did you mean ${formatPath(elsewhere)}?`;
  const names = [...new Set(known.map((near) => near[depth] ?? ''))].filter((name) => name !== '');
  return names.length > 0
    ? `unknown key; known here: ${names.join(', ')}`
    : 'unknown key; this setting has no parts';
}

function settingPaths(section: SettingPath): SettingPath[] {
  const schema = schemaAt(section);
  if (schema?.type !== 'object') return [];
  return Object.keys(schema.properties).flatMap((key) => {
    const path = [...section, key];
    return [path, ...settingPaths(path)];
  });
}
