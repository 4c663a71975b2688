import {
  chmodSync,
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { P2PError } from '../../functions/protocol/errors.ts';
import { refuse } from './refuse.ts';

const MOST_LINKS = 40;
const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/** What a plan may do with the files of a host: look at them. */
export interface FileView {
  /** `undefined` when there is no such file. */
  read(path: string): Buffer | undefined;
  /** The names in a folder, sorted; none when there is no such folder. */
  list(folder: string): readonly string[];
}

/**
 * The files of a host below a folder. Paths are absolute as programs of that host see them; links are followed
 * inside the folder, as chroot does, so nothing outside it is ever touched.
 */
export class HostFiles implements FileView {
  readonly #root: string;

  constructor(root: string) {
    this.#root = resolve(root);
  }

  read(path: string): Buffer | undefined {
    return attempt(path, () => unlessMissing(() => readFileSync(this.locate(path))));
  }

  list(folder: string): readonly string[] {
    return attempt(folder, () => unlessMissing(() => readdirSync(this.locate(folder)).sort())) ?? [];
  }

  /**
   * Replaces a file in one step. Its mode and owner stay, and so does a link that leads to it. Gives the folders
   * that had to be made, outermost first.
   */
  write(path: string, bytes: Uint8Array, mode = FILE_MODE): readonly string[] {
    return attempt(path, () => {
      const made = this.#makeFolders(this.#follow(dirname(path)));
      try {
        replaceFile(this.locate(path), bytes, mode);
        return made;
      } catch (error) {
        for (const folder of made.reverse()) rmdirSync(join(this.#root, folder));
        throw error;
      }
    });
  }

  remove(path: string): void {
    attempt(path, () => rmSync(this.locate(path), { force: true }));
  }

  /** Removes a folder if there is nothing in it; true when it is gone. */
  removeFolder(path: string): boolean {
    return attempt(path, () => {
      const folder = this.locate(path);
      if (!existsSync(folder)) return true;
      if (readdirSync(folder).length > 0) return false;
      rmdirSync(folder);
      return true;
    });
  }

  /** Where a path of the host really is, whether or not something is there. */
  locate(path: string): string {
    return join(this.#root, this.#follow(path));
  }

  /** The path with the links in it followed: where it leads on this host. */
  #follow(path: string): string {
    const pending = path.split('/').filter(Boolean);
    let at = '/';
    for (let links = 0; pending.length > 0; ) {
      const name = pending.shift() as string;
      const next = resolve(at, name);
      const target = linkTarget(join(this.#root, next));
      if (target === undefined) at = next;
      else {
        links += 1;
        if (links > MOST_LINKS) throw refuse(path, 'is a link that leads to itself', 'remove it');
        if (target.startsWith('/')) at = '/';
        pending.unshift(...target.split('/').filter(Boolean));
      }
    }
    return at;
  }

  #makeFolders(folder: string): string[] {
    const target = join(this.#root, folder);
    if (existsSync(target)) return [];
    const made = this.#makeFolders(dirname(folder));
    mkdirSync(target);
    // Whatever the umask: the daemons that read it may be other users.
    chmodSync(target, FOLDER_MODE);
    return [...made, folder];
  }
}

function replaceFile(target: string, bytes: Uint8Array, mode: number): void {
  const old = unlessMissing(() => statSync(target));
  const temporary = `${target}.dadip2p-${process.pid}`;
  try {
    const file = openSync(temporary, 'wx', 0o600);
    try {
      writeFileSync(file, bytes);
      // Owner first: a change of owner clears bits of the mode.
      if (old !== undefined) fchownSync(file, old.uid, old.gid);
      fchmodSync(file, old?.mode ?? mode);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, target);
  } catch (error) {
    unlessMissing(() => rmSync(temporary));
    throw error;
  }
}

const linkTarget = (path: string): string | undefined =>
  unlessMissing(() => (lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined));

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'run this as root'],
  ['EPERM', 'run this as root'],
  ['EROFS', 'its file system is read-only: change it where this host is built'],
  ['EISDIR', 'it is a folder, where a file should be'],
  ['ENOSPC', 'make room on its file system'],
]);

function attempt<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof P2PError || code === undefined) throw error;
    throw refuse(path, `cannot be read or written (${code})`, REMEDIES.get(code) ?? message, error);
  }
}
