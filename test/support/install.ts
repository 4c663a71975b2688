import { spawn } from 'node:child_process';
import { accessSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { cacheDir, findExecutable, findMinio, have, PROGRAMS, type Program } from './programs.ts';

// The module proxy refuses v0.0.0-20251015172955-9e49d5e7a648, MinIO's last tagged release, with 403;
// this newest revision it serves.
const MINIO_MODULE = 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c';

// What Debian asks before it starts a service (deb-systemd-invoke(1p), invoke-rc.d(8)).
const POLICY = '/usr/sbin/policy-rc.d';
const HEARTBEAT_MS = 30_000;
const LAST_LINES = 15;

/**
 * Installs what is missing of `programs`, where it may: Debian packages as root, MinIO by `go install` into a
 * cache folder. Says what and why first. What cannot be had is left to be skipped. `NO_INSTALL=1` stops all of it.
 */
export async function installPrograms(programs: readonly Program[]): Promise<void> {
  const missing = programs.filter((program) => !isThere(program));
  if (missing.length === 0 || process.env.NO_INSTALL === '1') return;
  await installPackages(missing);
  if (missing.includes('minio')) await buildMinio();
}

/** radosgw may stand in for MinIO, but only where MinIO cannot be had. */
const isThere = (program: Program) => (program === 'minio' ? findMinio() !== undefined : have(program));

async function installPackages(missing: readonly Program[]): Promise<void> {
  const packages = missing.flatMap((program) => {
    const { debian, purpose }: { debian?: string; purpose: string } = PROGRAMS[program];
    return debian === undefined ? [] : [{ debian, purpose }];
  });
  if (packages.length === 0 || process.getuid?.() !== 0 || !findExecutable('apt-get')) return;
  console.log(
    'Real programs to test against are missing; installing them with apt-get (NO_INSTALL=1 stops this):',
  );
  for (const { debian, purpose } of packages) console.log(`  ${debian}: ${purpose}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const names = packages.flatMap(({ debian }) => debian.split(' '));
  if (!(await runQuietly('apt-get update', 'apt-get', ['update', '-q'], env))) return;
  const install = ['install', '-y', '-q', '--no-install-recommends', ...names];
  await withoutServices(() => runQuietly('apt-get install', 'apt-get', install, env));
}

/** Keeps Debian from starting the services of what is installed meanwhile: a Docker would change the machine's network. */
async function withoutServices(install: () => Promise<unknown>): Promise<void> {
  try {
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { flag: 'wx', mode: 0o755 });
  } catch {
    // The machine has a policy of its own.
    await install();
    return;
  }
  try {
    await install();
  } finally {
    rmSync(POLICY, { force: true });
  }
}

async function buildMinio(): Promise<void> {
  const go = findExecutable('go');
  if (go === undefined) {
    console.log('MinIO is neither in $MINIO nor on PATH, and there is no `go` to build it with.');
    return;
  }
  mkdirSync(cacheDir(), { recursive: true });
  const lock = join(cacheDir(), 'minio.lock');
  while (!takeLock(lock)) {
    console.log('Another run is building MinIO; waiting for it.');
    await wait(5_000);
  }
  try {
    if (isThere('minio')) return;
    console.log(
      `Building MinIO, once, into ${cacheDir()} (go install ${MINIO_MODULE}): this takes some minutes.`,
    );
    const env = { ...process.env, GOBIN: cacheDir(), CGO_ENABLED: '0', GOFLAGS: '-trimpath' };
    await runQuietly('go install minio', go, ['install', '-ldflags=-s -w', MINIO_MODULE], env);
  } finally {
    rmSync(lock, { force: true });
  }
}

/** The lock holds the builder's pid, so that a build that was killed does not lock the others out for ever. */
function takeLock(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    if (!isAlive(lock)) rmSync(lock, { force: true });
    return false;
  }
}

function isAlive(lock: string): boolean {
  try {
    accessSync(lock);
    const pid = Number(readFileSync(lock, 'utf8'));
    // Empty for the moment between its creation and its writing.
    if (pid > 0) process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Runs a command with a sign of life now and then; its last lines are printed when it fails. */
async function runQuietly(
  title: string,
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv,
): Promise<boolean> {
  const startedMs = Date.now();
  const seconds = () => Math.round((Date.now() - startedMs) / 1000);
  const heartbeat = setInterval(
    () => console.log(`  … ${title} still at work after ${seconds()} s`),
    HEARTBEAT_MS,
  );
  const lines: string[] = [];
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      lines.push(...data.toString().split('\n').filter(Boolean));
      lines.splice(0, lines.length - LAST_LINES);
    });
  }
  const failure = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code) => resolve(code === 0 ? undefined : `exit code ${code}`));
  });
  clearInterval(heartbeat);
  if (failure === undefined) console.log(`  ${title} done in ${seconds()} s`);
  else console.log([`  ${title} failed (${failure}):`, ...lines].join('\n    '));
  return failure === undefined;
}
