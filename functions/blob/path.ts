import type { BlobKey, ChunkId } from './chunk.ts';

/*
 * Where things are kept, in a folder and in a bucket alike:
 *
 *   v1/<hh>/<key>/blob.json               the facts of an address
 *   v1/<hh>/<key>/access.json             that everyone has a right
 *   v1/<hh>/<key>/<chunk bytes>/<index>   a chunk of a blob
 *   v1/<hh>/<key>/used                    when chunks of it were read last, by when it was put itself
 *   v1/<hh>/<key>/lent                    when others were last told where chunks of it are
 *   v1/<hh>/<key>/doomed                  that its chunks are being removed
 *
 * <hh> is the first byte of the hash in <key>: it keeps folders small and spreads S3's per-prefix rates.
 * `v1` is the version of this layout and of what the files hold. `:` of a digest is written as `-`.
 */
export const LAYOUT = 'v1';

/** The most chunks of one blob: what ten digits can number. */
export const MAX_CHUNKS = 10 ** 10;

const NAME =
  /^v1\/[0-9a-f]{2}\/(sha256-[0-9a-f]{64}|[0-9a-f]{64})\/(?:(\d{1,10})\/(\d{1,10})|(?:blob|access)\.json)$/;

// The chunks of one blob are asked for one behind the other.
let latest = { key: '', path: '' };

/** The folder of everything kept under a key, without a trailing slash. */
export function keyPath(key: BlobKey): string {
  if (latest.key !== key) {
    const safe = key.replace(':', '-');
    latest = { key, path: `${LAYOUT}/${safe.slice(-64, -62)}/${safe}` };
  }
  return latest.path;
}

/** Where a chunk is kept. */
export const chunkPath = ({ key, chunkBytes, index }: ChunkId): string =>
  `${keyPath(key)}/${chunkBytes}/${index}`;

/** Where the facts of an address are kept. */
export const factsPath = (addressKey: string): string => `${keyPath(addressKey)}/blob.json`;

/** Where it is kept that everyone has a right. */
export const accessPath = (key: string): string => `${keyPath(key)}/access.json`;

/** What is put anew from time to time while a blob is read (`used`), and while others are sent to its chunks (`lent`). */
export const markPath = (folder: string, mark: 'used' | 'lent'): string => `${folder}/${mark}`;

/** What is there while a blob is removed. */
export const doomedPath = (folder: string): string => `${folder}/doomed`;

/** What a path stands for, and the folder of its key; `undefined` when it is none of ours. */
export function parsePath(path: string): ParsedPath | undefined {
  const [, folder, name, chunk] = KEPT.exec(path) ?? [];
  if (folder === undefined) return undefined;
  const kind = chunk === undefined ? KINDS[name ?? ''] : 'chunk';
  return kind && { folder, kind };
}

/** The key that a folder belongs to. */
export const keyOfFolder = (folder: string): BlobKey =>
  folder.slice(folder.lastIndexOf('/') + 1).replace('-', ':');

interface ParsedPath {
  readonly folder: string;
  readonly kind: 'facts' | 'access' | 'chunk' | 'used' | 'lent' | 'doomed';
}

const KEPT = /^(v1\/[0-9a-f]{2}\/(?:sha256-)?[0-9a-f]{64})\/([^/]+)(\/\d{1,10})?$/;
const KINDS: Readonly<Record<string, ParsedPath['kind']>> = {
  'blob.json': 'facts',
  'access.json': 'access',
  used: 'used',
  lent: 'lent',
  doomed: 'doomed',
};

/** Where the right is kept, for a while, to fetch what belongs at a path: `lease/<hh>/…`. */
export const leasePath = (path: string): string => `lease${path.slice(LAYOUT.length)}`;

/** True for a path that one of the above makes; anything else in a cache folder is not ours to serve. */
export const isCachePath = (path: string): boolean => NAME.test(path);

/** True for a path that `markPath` or `doomedPath` makes. */
export const isMarkPath = (path: string): boolean => {
  const kind = parsePath(path)?.kind;
  return kind === 'used' || kind === 'lent' || kind === 'doomed';
};
