import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { P2PError } from '../../functions/protocol/errors.ts';
import { nearest } from '../../functions/service/config/nearest.ts';
import type { Arguments } from '../cli/arguments.ts';
import { planContainerd } from './containerd.ts';
import { planDocker } from './docker.ts';
import type { RuntimePlan } from './edit.ts';
import { type FileView, HostFiles } from './host-files.ts';
import { RUNTIMES, type Runtime } from './manifest.ts';
import { planPodman } from './podman.ts';
import type { Wiring } from './wiring.ts';

/** @throws P2PError CONFIG_INVALID when no runtime is named, or one that is not known. */
export function parseRuntime({ positionals: [word] }: Arguments, command: string): Runtime {
  const found = RUNTIMES.find((runtime) => runtime === word);
  if (found !== undefined) return found;
  const list = `dadip2p ${command} ${RUNTIMES.join('|')}`;
  if (word === undefined) throw new P2PError('CONFIG_INVALID', `no runtime is named: ${list}`);
  const meant = nearest(word, RUNTIMES);
  throw new P2PError(
    'CONFIG_INVALID',
    `unknown runtime ${word}; ${meant === undefined ? list : `did you mean ${meant}?`}`,
  );
}

/**
 * The files of the host that the command is for.
 *
 * @throws P2PError CONFIG_INVALID when the folder that is named is not there: nothing is to be made in a slip.
 */
export function hostFiles({ flags }: Arguments): HostFiles {
  const root = flags.get('root')?.at(-1) ?? '/';
  if (existsSync(root)) return new HostFiles(root);
  throw new P2PError('CONFIG_INVALID', `--root: there is no folder ${root}; make it, or name another`);
}

/** What the runtime needs, as a function of its files; dockerd is asked for its version when it matters. */
export async function plannerOf(
  runtime: Runtime,
  wiring: Wiring,
  { flags }: Arguments,
): Promise<(files: FileView) => RuntimePlan> {
  if (runtime === 'containerd') return (files) => planContainerd(wiring, files);
  if (runtime === 'podman') return (files) => planPodman(wiring, files);
  const told = flags.get('docker-version')?.at(-1);
  const version = told ?? (flags.has('root') ? undefined : await askVersion());
  const major = version === undefined ? undefined : Number(/^v?(\d+)/.exec(version)?.[1]);
  if (major !== undefined && Number.isNaN(major)) {
    throw new P2PError('CONFIG_INVALID', `--docker-version: ${version} is no version, as 28.1.0 is`);
  }
  return (files) => planDocker(wiring, files, major);
}

/** The version of the dockerd that is installed; `undefined` when there is none. */
function askVersion(): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile('dockerd', ['--version'], { timeout: 5_000 }, (error, out) =>
      resolve(error === null ? /version (\S+?),/.exec(out)?.[1] : undefined),
    );
  });
}
