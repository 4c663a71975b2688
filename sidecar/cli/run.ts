import { hasCode, P2PError } from '../../functions/protocol/errors.ts';
import { readSettings } from '../../functions/service/config/file.ts';
import { loadSettings } from '../../functions/service/config/load.ts';
import { parseOverride } from '../../functions/service/config/override.ts';
import { createLog } from '../../functions/service/log.ts';
import { superviseNode } from '../supervisor.ts';
import type { Arguments, Flag } from './arguments.ts';
import type { Command, World } from './command.ts';
import { generateCert } from './generate-cert.ts';
import { CONFIG_FLAG } from './node-settings.ts';
import { stopOnSignals } from './stop-on-signals.ts';

/** The flags of DadiP2P. */
const RUN_FLAGS: readonly Flag[] = [
  CONFIG_FLAG,
  {
    name: 'generate-cert',
    help: 'make the authority for HTTPS unless it is there, and say how to trust it; ends there without -c',
  },
  { name: 'log-level', short: 'l', value: 'LEVEL', help: 'trace, debug, info, warn, error or panic' },
  { name: 'proxy-port', value: 'PORT', help: 'port of the HTTP proxy' },
  { name: 'p2p-port', value: 'PORT', help: 'P2P port' },
];

const SETTING_OF_FLAG: Readonly<Record<string, readonly string[]>> = {
  'generate-cert': ['ProxyConfig', 'CertConfig', 'GenerateCert'],
  'log-level': ['LogLevel'],
  'proxy-port': ['ProxyConfig', 'Port'],
  'p2p-port': ['P2PConfig', 'Port'],
};

/** `dadip2p -c FILE`: runs a node until a signal stops it; `dadip2p --generate-cert` only prepares HTTPS. */
export const RUN: Command = {
  name: '',
  usage: '-c FILE [flags]',
  summary: 'run a node, root or agent as the file says',
  flags: RUN_FLAGS,
  operands: 0,
  execute: run,
};

async function run({ flags }: Arguments, world: World): Promise<void> {
  const file = flags.get('cfgFile')?.at(-1);
  const makesCert = flags.has('generate-cert');
  if (file === undefined && !makesCert) {
    throw new P2PError(
      'CONFIG_INVALID',
      'no configuration given: dadip2p -c FILE, or dadip2p start to try it',
    );
  }
  const overrides = Object.entries(SETTING_OF_FLAG).flatMap(([flag, path]) => {
    const text = flags.get(flag)?.at(-1);
    return text === undefined ? [] : [parseOverride(path, text, `--${flag}`)];
  });
  const { env } = world;
  if (file === undefined) {
    const settings = loadSettings({ text: undefined, file: 'the default settings', env, overrides });
    return generateCert(settings, world, false);
  }
  const settings = readSettings({ file, env, overrides });
  if (makesCert && settings.P2PConfig.RunMode === 'agent') await generateCert(settings, world, true);
  const log = createLog(settings.LogLevel, { name: 'supervisor' });
  const node = await superviseNode(settings, { log, worker: world.worker });
  stopOnSignals()(node);
  try {
    await node.ready;
  } catch (error) {
    // Stopped before it served, as asked.
    if (!hasCode(error, 'DRAINING')) throw error;
  }
  await node.ended;
}
