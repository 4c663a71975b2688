import { P2PError } from '../../functions/protocol/errors.ts';
import { HttpClient } from '../../functions/service/http-client.ts';
import type { Arguments } from '../cli/arguments.ts';
import type { World } from '../cli/command.ts';
import { nodeSettings } from '../cli/node-settings.ts';
import { HostFiles } from '../setup/host-files.ts';
import type { Runtime } from '../setup/manifest.ts';
import { parseRuntime, plannerOf } from '../setup/runtime.ts';
import { type Wiring, wiringOf } from '../setup/wiring.ts';
import { type Check, examineAll, failed, formatResult, ok, type Result } from './check.ts';
import { containerdChecks } from './containerd-checks.ts';
import { dockerChecks } from './docker-checks.ts';
import { fileChecks } from './file-checks.ts';
import { parseImageName } from './image-name.ts';
import { agentChecks, rootCheck } from './node-checks.ts';
import { podmanChecks } from './podman-checks.ts';
import { pullChecks } from './pull-checks.ts';

// A person waits; and a pull may first have to wake a root.
const LIMITS = { connectMs: 2_000, firstByteMs: 8_000, idleMs: 8_000 };

/** `dadip2p doctor`: prints a line for each link, in the order a pull goes, and ends with 1 when one is broken. */
export async function examine(args: Arguments, world: World): Promise<void> {
  const runtime = parseRuntime(args, 'doctor');
  const http = new HttpClient({ ...LIMITS, connections: 4 });
  const isJson = args.flags.has('json');
  const results: Result[] = [];
  try {
    const checks = await checksFor(runtime, args, world, http);
    for await (const result of examineAll(checks)) {
      results.push(result);
      if (!isJson) world.print(formatResult(result));
    }
  } finally {
    await http.close();
  }
  const faults = results.filter(({ state }) => state === 'failed').length;
  if (isJson) world.print(JSON.stringify({ runtime, ok: faults === 0, checks: results }, null, 2));
  else world.print(faults === 0 ? 'All is well.' : faults === 1 ? '1 fault.' : `${faults} faults.`);
  if (faults > 0) world.exitWith(1);
}

async function checksFor(
  runtime: Runtime,
  args: Arguments,
  world: World,
  http: HttpClient,
): Promise<readonly Check[]> {
  const { flags } = args;
  const file = flags.get('cfgFile')?.at(-1);
  const name = flags.get('image')?.at(-1);
  const image = name === undefined ? undefined : parseImageName(name);
  try {
    const settings = nodeSettings(args, world);
    const wiring = wiringOf(settings);
    const files = new HostFiles(flags.get('root')?.at(-1) ?? '/');
    const plan = await plannerOf(runtime, wiring, args);
    const setupCommand = `dadip2p setup ${runtime}${file === undefined ? '' : ` -c ${file}`}`;
    return [
      { name: 'configuration', run: () => ok(file ?? 'the default settings') },
      ...agentChecks(settings, http),
      rootCheck(settings, http),
      ...fileChecks({ runtime, files, plan, setupCommand }),
      ...daemonChecks(runtime, wiring, files, world),
      ...pullChecks(wiring, image, http),
    ];
  } catch (error) {
    if (!(error instanceof P2PError)) throw error;
    const { message } = error;
    return [{ name: 'configuration', run: () => failed(message, 'correct it, or name another file by -c') }];
  }
}

function daemonChecks(runtime: Runtime, wiring: Wiring, files: HostFiles, world: World): Check[] {
  if (runtime === 'docker') return dockerChecks(wiring, files);
  return runtime === 'containerd' ? containerdChecks(files) : podmanChecks(files, world);
}
