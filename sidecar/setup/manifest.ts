import type { HostFiles } from './host-files.ts';
import { refuse } from './refuse.ts';

export const RUNTIMES = ['docker', 'containerd', 'podman'] as const;

export type Runtime = (typeof RUNTIMES)[number];

/** One file that `setup` wrote. */
export interface ManifestFile {
  readonly path: string;
  /** As it was before the first `setup`; `undefined` when there was none. */
  readonly before: Buffer | undefined;
  /** As `setup` wrote it. */
  readonly after: Buffer;
  /** As an earlier `setup` wrote it: it still is, where the later one ended before it came to it. */
  readonly replaced?: Buffer | undefined;
  /** The command after which the runtime knows of a change. */
  readonly activate?: string | undefined;
}

/** What `setup` did to the files of this host: all that `uninstall` needs to undo it. */
export interface Manifest {
  readonly runtimes: Readonly<Partial<Record<Runtime, readonly ManifestFile[]>>>;
  /** The folders that it made, outer before inner. */
  readonly folders: readonly string[];
}

// Apart from /var/lib/dadip2p, which belongs to the agent's own user where systemd runs it.
export const MANIFEST = '/var/lib/dadip2p-setup/manifest.json';

// A format that another version wrote is not guessed at.
const VERSION = 1;
// The originals may hold passwords, of a proxy for one.
const MODE = 0o600;

/** @throws P2PError SETUP_REFUSED when there is one that cannot be read. */
export function readManifest(files: HostFiles): Manifest {
  const bytes = files.read(MANIFEST);
  if (bytes === undefined) return { runtimes: {}, folders: [] };
  try {
    const stored = JSON.parse(bytes.toString()) as StoredManifest;
    if (stored.version !== VERSION) throw new Error(`version ${stored.version}`);
    return { folders: stored.folders, runtimes: mapFiles(stored.runtimes, fromStored) };
  } catch (cause) {
    const remedy = 'put the files back by hand, then remove it';
    throw refuse(MANIFEST, 'is not what this version of dadip2p writes', remedy, cause);
  }
}

/** Gives the folders that had to be made for it. */
export function writeManifest({ runtimes, folders }: Manifest, files: HostFiles): readonly string[] {
  const stored: StoredManifest = { version: VERSION, folders, runtimes: mapFiles(runtimes, toStored) };
  return files.write(MANIFEST, Buffer.from(`${JSON.stringify(stored, null, 2)}\n`), MODE);
}

interface StoredManifest {
  readonly version: number;
  readonly runtimes: Readonly<Partial<Record<Runtime, readonly StoredFile[]>>>;
  readonly folders: readonly string[];
}

interface StoredFile {
  readonly path: string;
  readonly before: string | null;
  readonly after: string;
  readonly replaced?: string | undefined;
  readonly activate?: string | undefined;
}

const mapFiles = <A, B>(runtimes: Partial<Record<Runtime, readonly A[]>>, map: (file: A) => B) =>
  Object.fromEntries(Object.entries(runtimes).map(([name, list]) => [name, list.map(map)])) as Partial<
    Record<Runtime, B[]>
  >;

const toStored = ({ before, after, replaced, ...rest }: ManifestFile): StoredFile => ({
  ...rest,
  before: before?.toString('base64') ?? null,
  after: after.toString('base64'),
  replaced: replaced?.toString('base64'),
});

const fromStored = ({ before, after, replaced, ...rest }: StoredFile): ManifestFile => ({
  ...rest,
  before: before === null ? undefined : Buffer.from(before, 'base64'),
  after: Buffer.from(after, 'base64'),
  replaced: replaced === undefined ? undefined : Buffer.from(replaced, 'base64'),
});
