import { readSettings } from '../../functions/service/config/file.ts';
import { loadSettings } from '../../functions/service/config/load.ts';
import type { Settings } from '../../functions/service/config/settings.ts';
import type { Arguments, Flag } from './arguments.ts';
import type { World } from './command.ts';

export const CONFIG_FLAG: Flag = { name: 'cfgFile', short: 'c', value: 'FILE', help: 'the configuration' };

/**
 * The settings of the agent that a runtime is to use: those of the file that is given, else the defaults, which
 * `dadip2p start` runs with, too.
 *
 * @throws P2PError CONFIG_INVALID
 */
export function nodeSettings({ flags }: Arguments, world: World): Settings {
  const file = flags.get('cfgFile')?.at(-1);
  return file === undefined
    ? loadSettings({ text: undefined, file: 'the default settings', env: world.env })
    : readSettings({ file, env: world.env });
}
