import { isDeepStrictEqual } from 'node:util';
import { P2PError } from '../../functions/protocol/errors.ts';
import type { Arguments } from '../cli/arguments.ts';
import type { World } from '../cli/command.ts';
import { nodeSettings } from '../cli/node-settings.ts';
import { applySetup, applyUndo } from './apply.ts';
import { type Changes, formatDiff, planSetup, planUndo } from './changes.ts';
import { interceptionOf } from './interception.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { refuse } from './refuse.ts';
import { hostFiles, parseRuntime, plannerOf } from './runtime.ts';
import { wiringOf } from './wiring.ts';

/** `dadip2p setup`, from its arguments to the last line it prints. */
export async function setUp(args: Arguments, world: World): Promise<void> {
  const runtime = parseRuntime(args, 'setup');
  const settings = nodeSettings(args, world);
  const https = await interceptionOf(settings);
  const planner = await plannerOf(
    runtime,
    wiringOf(settings, https.isOn ? https.interception : undefined),
    args,
  );
  const files = hostFiles(args);
  const look = (): Plan => {
    const manifest = readManifest(files);
    return { manifest, planned: planSetup(planner, files, manifest.runtimes[runtime] ?? []) };
  };
  const { planned } = look();
  if (planned.changes.length === 0) {
    world.print(`Nothing to do: ${runtime} is set up to pull through the agent.`);
  } else if (await isAgreed(planned, args, world)) {
    const agreed = confirm(planned, look());
    applySetup(runtime, agreed.planned, files, agreed.manifest);
    world.print(`${runtime} is set up.`);
    printNext(planned, world);
  }
  for (const note of planned.notes) world.print(`Note: ${note}`);
  // containerd has the mirror for all registries.
  if (!https.isOn && runtime !== 'containerd') {
    world.print(`Note: only the mirror is set up, not the proxy for HTTPS: ${https.why}`);
  }
}

/** `dadip2p uninstall`, from its arguments to the last line it prints. */
export async function uninstall(args: Arguments, world: World): Promise<void> {
  const runtime = parseRuntime(args, 'uninstall');
  const files = hostFiles(args);
  const look = (): Plan => {
    const manifest = readManifest(files);
    return { manifest, planned: planUndo(manifest.runtimes[runtime] ?? [], files) };
  };
  const { manifest, planned } = look();
  if (manifest.runtimes[runtime] === undefined)
    return world.print(`Nothing to do: setup has not changed ${runtime} here.`);
  for (const note of planned.notes) world.print(`Note: ${note}`);
  if (!(await isAgreed(planned, args, world))) return;
  const agreed = confirm(planned, look());
  applyUndo(runtime, agreed.planned, files, agreed.manifest);
  world.print(`${runtime} is as it was before setup.`);
  printNext(planned, world);
}

/** What is to be done, and what was done before. */
interface Plan {
  readonly planned: Changes;
  readonly manifest: Manifest;
}

/**
 * What was planned anew once it was agreed to: a person may take long to answer, and others are not asked.
 *
 * @throws P2PError SETUP_REFUSED when it would not be what was shown.
 */
function confirm(shown: Changes, anew: Plan): Plan {
  const now = anew.planned.changes;
  const other =
    shown.changes.find((change, at) => !isDeepStrictEqual(change, now[at])) ?? now[shown.changes.length];
  if (other === undefined) return anew;
  throw refuse(other.path, 'was changed meanwhile', 'run this again to see what would be done now');
}

/** Shows the changes; true when they are to be made. */
async function isAgreed({ changes }: Changes, { flags }: Arguments, world: World): Promise<boolean> {
  if (changes.length > 0) world.print(formatDiff(changes));
  if (flags.has('dry-run')) return false;
  if (flags.has('yes') || changes.length === 0) return true;
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
