import { readFileSync } from 'node:fs';
import { configInvalid } from './fault.ts';
import { loadSettings, type SettingSources } from './load.ts';
import type { Settings } from './settings.ts';

const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'this user may not read it'],
  ['EISDIR', 'it is a folder'],
]);

/**
 * The settings in a file, as `loadSettings` gives them.
 *
 * @throws P2PError CONFIG_INVALID, also when the file cannot be read.
 */
export function readSettings(sources: Omit<SettingSources, 'text'>): Settings {
  let text: string;
  try {
    text = readFileSync(sources.file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    throw configInvalid(sources.file, [
      { path: [], problem: `cannot be read: ${REMEDIES.get(code) ?? code}` },
    ]);
  }
  return loadSettings({ ...sources, text });
}
