import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Way } from './every-way.ts';
import { PATIENCE_MS } from './until.ts';

const run = promisify(execFile);

/** What a program printed, and how it ended. */
export interface Ended {
  readonly code: number;
  readonly out: Buffer;
}

/** Runs a program to its end, whatever that is. */
async function ended(program: string, args: readonly string[]): Promise<Ended> {
  const options = {
    encoding: 'buffer',
    maxBuffer: 2 ** 26,
    signal: AbortSignal.timeout(PATIENCE_MS),
  } as const;
  return run(program, args, options).then(
    ({ stdout }) => ({ code: 0, out: stdout }),
    ({ code, stdout, stderr, message }) => {
      if (typeof code !== 'number') throw new Error(`${message}\n${stderr}`);
      return { code, out: stdout };
    },
  );
}

const headerArgs = ({ headers = {} }: Way): string[] =>
  Object.entries(headers).map(([name, value]) => `--header=${name}: ${value}`);

/** `curl`, which follows redirects, as most people call it. */
export function curl(way: Way, path: string, ...more: string[]): Promise<Ended> {
  return ended('curl', [
    ...['--silent', '--show-error', '--location', '--path-as-is', '--noproxy', ''],
    ...(way.proxy === undefined ? [] : ['--proxy', way.proxy]),
    ...(way.ca === undefined ? [] : ['--cacert', way.ca]),
    ...Object.entries(way.headers ?? {}).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
    ...more,
    way.url(path),
  ]);
}

/** `wget` into a file. */
export function wget(way: Way, path: string, file: string, ...more: string[]): Promise<Ended> {
  const proxies = way.proxy === undefined ? [] : [`http_proxy=${way.proxy}`, `https_proxy=${way.proxy}`];
  return ended('wget', [
    ...['--quiet', '--no-config', '-O', file],
    ...(way.proxy === undefined ? ['--no-proxy'] : ['-e', 'use_proxy=yes', '-e', 'no_proxy=']),
    ...proxies.flatMap((setting) => ['-e', setting]),
    ...(way.ca === undefined ? [] : [`--ca-certificate=${way.ca}`]),
    ...headerArgs(way),
    ...more,
    way.url(path),
  ]);
}

/** `aria2c -x8` into a file: as many connections as it may open, each for a range of its own. */
export function aria2(way: Way, path: string, dir: string, file: string): Promise<Ended> {
  return ended('aria2c', [
    ...['--no-conf', '--quiet', '--max-tries=1', '--no-proxy=', '-x8', '-s8', '-k1M'],
    ...(way.proxy === undefined ? [] : [`--all-proxy=${way.proxy}`]),
    ...(way.ca === undefined ? [] : [`--ca-certificate=${way.ca}`]),
    ...headerArgs(way),
    ...['--dir', dir, '--out', file],
    way.url(path),
  ]);
}
