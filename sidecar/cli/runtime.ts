import { execFile } from 'node:child_process';
import { P2PError } from '../../functions/protocol/errors.ts';
import { nearest } from '../../functions/service/config/nearest.ts';
import { planContainerd } from '../setup/containerd.ts';
import { planDocker } from '../setup/docker.ts';
import type { RuntimePlan } from '../setup/edit.ts';
import type { FileView } from '../setup/host-files.ts';
import { RUNTIMES, type Runtime } from '../setup/manifest.ts';
import { planPodman } from '../setup/podman.ts';
import type { Wiring } from '../setup/wiring.ts';
import type { Arguments, Flag } from './arguments.ts';

/** The flags of the commands that look at, or edit, what belongs to a runtime. */
export const RUNTIME_FLAGS: readonly Flag[] = [
  { name: 'root', value: 'DIR', help: "where the host's files are, for an image that is being built (/)" },
];

export const DOCKER_VERSION_FLAG: Flag = {
  name: 'docker-version',
  value: 'VERSION',
  help: 'of the dockerd that will read the files; unless told, the dockerd on this host is asked',
};

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
