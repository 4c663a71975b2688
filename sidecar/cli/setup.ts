import { P2PError } from '../../functions/protocol/errors.ts';
import { applySetup, applyUndo } from '../setup/apply.ts';
import { type Changes, formatDiff, planSetup, planUndo } from '../setup/changes.ts';
import { HostFiles } from '../setup/host-files.ts';
import { readManifest } from '../setup/manifest.ts';
import { wiringOf } from '../setup/wiring.ts';
import type { Arguments, Flag } from './arguments.ts';
import type { Command, World } from './command.ts';
import { CONFIG_FLAG, nodeSettings } from './node-settings.ts';
import { DOCKER_VERSION_FLAG, parseRuntime, plannerOf, RUNTIME_FLAGS } from './runtime.ts';

const EDIT_FLAGS: readonly Flag[] = [
  { name: 'dry-run', help: 'show what would be changed, and change nothing' },
  { name: 'yes', short: 'y', help: 'do not ask before changing it' },
];

/** `dadip2p setup RUNTIME`: makes a container runtime pull through the agent. */
export const SETUP: Command = {
  name: 'setup',
  usage: 'setup RUNTIME [flags]',
  summary: 'let docker, containerd or podman pull through the agent',
  flags: [CONFIG_FLAG, ...EDIT_FLAGS, ...RUNTIME_FLAGS, DOCKER_VERSION_FLAG],
  operands: 1,
  async execute(args, world) {
    const runtime = parseRuntime(args, 'setup');
    const planner = await plannerOf(runtime, wiringOf(nodeSettings(args, world)), args);
    const files = filesOf(args);
    const manifest = readManifest(files);
    const planned = planSetup(planner, files, manifest.runtimes[runtime] ?? []);
    if (planned.changes.length === 0) {
      world.print(`Nothing to do: ${runtime} is set up to pull through the agent.`);
    } else if (await isAgreed(planned, args, world)) {
      applySetup(runtime, planned, files, manifest);
      world.print(`${runtime} is set up.`);
      printNext(planned, world);
    }
    for (const note of planned.notes) world.print(`Note: ${note}`);
  },
};

/** `dadip2p uninstall RUNTIME`: puts back what `setup` changed. */
export const UNINSTALL: Command = {
  name: 'uninstall',
  usage: 'uninstall RUNTIME [flags]',
  summary: 'put back what setup changed, byte for byte',
  flags: [...EDIT_FLAGS, ...RUNTIME_FLAGS],
  operands: 1,
  async execute(args, world) {
    const runtime = parseRuntime(args, 'uninstall');
    const files = filesOf(args);
    const manifest = readManifest(files);
    const written = manifest.runtimes[runtime];
    if (written === undefined) return world.print(`Nothing to do: setup has not changed ${runtime} here.`);
    const planned = planUndo(written, files);
    for (const note of planned.notes) world.print(`Note: ${note}`);
    if (!(await isAgreed(planned, args, world))) return;
    applyUndo(runtime, planned, files, manifest);
    world.print(`${runtime} is as it was before setup.`);
    printNext(planned, world);
  },
};

const filesOf = ({ flags }: Arguments) => new HostFiles(flags.get('root')?.at(-1) ?? '/');

/** Shows the changes; true when they are to be made. */
async function isAgreed({ changes }: Changes, { flags }: Arguments, world: World): Promise<boolean> {
  if (changes.length > 0) world.print(formatDiff(changes));
  if (flags.has('dry-run')) return false;
  if (flags.has('yes')) return true;
  const answer = await world.ask('Make these changes? [y/N] ');
  if (answer === undefined) {
    throw new P2PError('CONFIG_INVALID', 'there is no terminal to ask at: add --yes to make these changes');
  }
  const isYes = /^y(es)?$/i.test(answer.trim());
  if (!isYes) world.print('Nothing was changed.');
  return isYes;
}

/** The commands that make the runtime read its files again; when one of them implies another, that one alone. */
function printNext({ changes }: Changes, world: World): void {
  const commands = [...new Set(changes.flatMap(({ activate }) => activate ?? []))];
  const needed = commands.filter((one) => !commands.some((other) => other !== one && other.endsWith(one)));
  for (const command of needed) world.print(`Now run: ${command}`);
}
