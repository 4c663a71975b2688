import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { suite, type Test } from 'uvu';
import { canMount } from './temp-dir.ts';

interface RealProgram {
  /** Debian's packages; absent when there are none. */
  readonly debian?: string;
  readonly purpose: string;
}

/** The real programs that tests may need; `run.ts` looks for these names to know what to install. */
export const PROGRAMS = {
  'docker-registry': { debian: 'docker-registry', purpose: 'the registry that images are pulled from' },
  skopeo: { debian: 'skopeo', purpose: 'pulls images as a container engine does' },
  podman: {
    debian: 'podman',
    purpose: 'pulls images as hosts without a Docker do; unpacking them takes root',
  },
  curl: { debian: 'curl', purpose: 'the client of every first try' },
  wget: { debian: 'wget', purpose: 'a client that goes on by itself where it was cut off' },
  aria2c: { debian: 'aria2', purpose: 'a client that asks for many ranges at once' },
  nginx: { debian: 'nginx', purpose: 'an origin that is not ours' },
  dockerd: { debian: 'docker.io', purpose: 'pulls images as hosts with Docker do; running it takes root' },
  containerd: { debian: 'containerd', purpose: 'pulls images as Kubernetes does; running it takes root' },
  htpasswd: { debian: 'apache2-utils', purpose: 'makes the password file of a registry' },
  openssl: { debian: 'openssl', purpose: 'makes certificates that are not of our making' },
  'systemd-analyze': { debian: 'systemd', purpose: 'judges the unit of a node' },
  ip: { debian: 'iproute2', purpose: 'hosts with links of their own; making them takes root on Linux' },
  iptables: { debian: 'iptables', purpose: 'links that lose packets' },
  cc: { debian: 'build-essential', purpose: 'clients that cost next to nothing' },
  radosgw: {
    debian: 'radosgw ceph-mon ceph-osd ceph-common',
    purpose: 'a second real S3 server: Ceph, over a disk in memory',
  },
  minio: { purpose: 'a real S3 server; radosgw takes its place where it is installed' },
  tmpfs: { purpose: 'a file system that gets full; mounting takes root on Linux' },
} as const satisfies Record<string, RealProgram>;

export type Program = keyof typeof PROGRAMS;

/** A test that did not run, as the runner counts it. */
export interface Skip {
  readonly skipped: string;
  readonly program: Program;
}

/** Where programs are kept that this project builds for its tests. */
export const cacheDir = (): string =>
  join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'dadip2p-test');

/** The path of an executable; `undefined` when there is none. Looks beyond a user's PATH, where daemons are. */
export function findExecutable(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** MinIO from `$MINIO`, from PATH, or as it was built before. */
export function findMinio(): string | undefined {
  const named = process.env.MINIO;
  if (named) return isExecutable(named) ? named : undefined;
  const built = join(cacheDir(), 'minio');
  return findExecutable('minio') ?? (isExecutable(built) ? built : undefined);
}

// They mount, as everything does that unpacks images, or make namespaces.
const ROOTS_ALONE: readonly Program[] = ['dockerd', 'containerd', 'podman', 'ip'];

/** True when the program is there and may run, or something that stands in for it. */
export function have(program: Program): boolean {
  if (program === 'tmpfs') return canMount();
  if (ROOTS_ALONE.includes(program) && !canMount()) return false;
  if (program === 'radosgw') return haveRadosgw();
  if (program === 'minio') return findMinio() !== undefined || haveRadosgw();
  return findExecutable(program) !== undefined;
}

const haveRadosgw = () =>
  ['radosgw', 'ceph-mon', 'ceph-osd'].every((name) => findExecutable(name) !== undefined);

/**
 * The suite, for tests that need real programs. Where one is missing, every test that is added through the
 * result, or the whole suite when it is run by the result, is skipped: loudly, and counted by the runner.
 */
export function need(test: Test, name: string, ...programs: Program[]): Test {
  const missing = programs.find((program) => !have(program));
  if (missing === undefined) return test;
  const add = (title: string) => {
    report(`${name}: ${title}`, missing);
    test.skip();
  };
  return Object.assign(add, {
    only: add,
    skip: add,
    before: test.before,
    after: test.after,
    run() {
      const empty = suite(name);
      report(name, missing);
      empty.skip();
      empty.run();
    },
  }) as Test;
}

function report(skipped: string, program: Program): void {
  const note: Skip = { skipped, program };
  if (process.send) process.send(note);
  else console.error(skipLine(note));
}

/** One line that says what did not run and why. */
export const skipLine = ({ skipped, program }: Skip): string =>
  `SKIPPED  ${skipped}: needs ${program} (${PROGRAMS[program].purpose}), which is not here`;

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
