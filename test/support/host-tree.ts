import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** A file by its text, or a link by where it leads. */
export type Planted = string | Buffer | { readonly link: string };

/** Puts files below a folder as if it were the root of a host. */
export function plant(root: string, tree: Readonly<Record<string, Planted>>): void {
  for (const [path, what] of Object.entries(tree)) {
    const target = join(root, path);
    mkdirSync(dirname(target), { recursive: true });
    if (typeof what === 'string' || Buffer.isBuffer(what)) writeFileSync(target, what);
    else symlinkSync(what.link, target);
  }
}

/** All that is below a folder: of each entry its mode, owner and bytes, or where it leads. */
export function snapshot(root: string): Readonly<Record<string, string>> {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const { mode, uid, gid } = lstatSync(path);
    const content = entry.isSymbolicLink()
      ? readlinkSync(path)
      : entry.isFile()
        ? readFileSync(path).toString('latin1')
        : '/';
    return [path.slice(root.length), `${mode.toString(8)} ${uid}:${gid} ${content}`];
  });
  return Object.fromEntries(entries.sort());
}
