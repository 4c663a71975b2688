import { checkTree } from './check.ts';
import { configInvalid, type SettingPath } from './fault.ts';
import { applyOverrides, type Override, parseEnvironment } from './override.ts';
import { checkTogether } from './rules.ts';
import type { Settings } from './settings.ts';
import { parseConfigText } from './text.ts';

/** Where settings come from; the environment wins over the text, an override over both. */
export interface SettingSources {
  /** YAML; `undefined` when there is no file, and every setting has its default. */
  readonly text: string | undefined;
  /** Named in messages. */
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly overrides?: readonly Override[];
}

/**
 * The settings, checked, with defaults filled in, sizes in bytes and times in milliseconds.
 *
 * @throws P2PError CONFIG_INVALID that lists every fault with its path and where it stands. Faults of YAML itself
 * are told alone: what follows from them would mislead.
 */
export function loadSettings({ text, file, env, overrides = [] }: SettingSources): Settings {
  const given =
    text === undefined ? { tree: {}, faults: [], whereOf: () => undefined } : parseConfigText(text);
  if (given.faults.length > 0) throw configInvalid(file, given.faults);

  const tree = given.tree;
  const winners = [...parseEnvironment(env), ...overrides];
  const whereOf = (path: SettingPath) => sourceOf(path, winners) ?? given.whereOf(path);
  const faults = [...applyOverrides(tree, winners), ...checkTree(tree)];
  if (faults.length > 0) throw configInvalid(file, faults, whereOf);

  const settings = tree as unknown as Settings;
  const conflicts = checkTogether(settings);
  if (conflicts.length > 0) throw configInvalid(file, conflicts, whereOf);
  return settings;
}

function sourceOf(path: SettingPath, overrides: readonly Override[]): string | undefined {
  return overrides.findLast((override) => override.path.every((key, at) => path[at] === key))?.source;
}
