import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { P2PError } from '../../functions/protocol/errors.ts';
import type { Authority } from './authority.ts';

/** Where an authority is kept: `ProxyConfig.CertConfig`. */
export interface AuthorityFiles {
  readonly CertPath: string;
  readonly KeyPath: string;
}

/**
 * Makes an authority for these hosts and writes it, unless its files are there: nothing is ever written over. The key
 * is readable by its owner alone from the first moment.
 *
 * @returns Whether it was made.
 * @throws P2PError CONFIG_INVALID when the files cannot be written, or only one is there.
 */
export async function makeFiles(
  files: AuthorityFiles,
  names: readonly string[],
  nowMs: number,
): Promise<boolean> {
  const { cert } = await readBoth(files);
  if (cert !== undefined) return false;
  const { makeAuthority } = await import('./make-authority.ts');
  const made = await makeAuthority(names, nowMs);
  await writeNew(files.KeyPath, made.key, 0o600, 'KeyPath');
  try {
    await writeNew(files.CertPath, made.cert, 0o644, 'CertPath');
  } catch (error) {
    await rm(files.KeyPath);
    throw error;
  }
  return true;
}

/**
 * The authority in its files; `undefined` when there are none.
 *
 * @throws P2PError CONFIG_INVALID, naming path and remedy, when they are not what they should be.
 */
export async function loadAuthority(files: AuthorityFiles): Promise<Authority | undefined> {
  const { cert, key } = await readBoth(files);
  if (cert === undefined || key === undefined) return undefined;
  // What encodes certificates takes a quarter of a second to load: nodes without an authority do without.
  const { Authority } = await import('./authority.ts');
  return Authority.of(cert, key).catch((cause: Error) => {
    const where = `${files.CertPath} and ${files.KeyPath}`;
    throw invalid(
      `${where}: ${cause.message}; name a certificate of an authority and its key, both PEM`,
      cause,
    );
  });
}

async function readBoth({ CertPath, KeyPath }: AuthorityFiles) {
  const cert = await read(CertPath, 'CertPath');
  const key = await read(KeyPath, 'KeyPath');
  if ((cert === undefined) === (key === undefined)) return { cert, key };
  const [missing, other] = cert === undefined ? [CertPath, KeyPath] : [KeyPath, CertPath];
  throw invalid(
    `${missing} is missing, and ${other} is there; bring it back, or remove both to make new ones`,
  );
}

async function read(path: string, setting: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw invalid(`${setting} cannot be read: ${message}; name a file that this user may read`, cause);
  }
}

async function writeNew(path: string, text: string, mode: number, setting: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, { flag: 'wx', mode });
  } catch (cause) {
    const { message } = cause as Error;
    throw invalid(
      `${setting} cannot be written: ${message}; name a file in a folder that this user may write`,
      cause,
    );
  }
}

const invalid = (message: string, cause?: unknown): P2PError =>
  new P2PError('CONFIG_INVALID', `ProxyConfig.CertConfig: ${message}`, { cause });
