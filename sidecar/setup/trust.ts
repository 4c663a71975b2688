import type { Edit } from './edit.ts';
import type { FileView } from './host-files.ts';
import type { Interception } from './interception.ts';
import type { Runtime } from './manifest.ts';

/** Where a system keeps the authorities that its programs trust. */
interface Store {
  /** Authorities of the host's own are put here. */
  readonly folder: string;
  readonly extension: string;
  /** Makes the bundle anew. */
  readonly update: string;
  /** What programs read. */
  readonly bundle: string;
}

const DEBIAN: Store = {
  folder: '/usr/local/share/ca-certificates',
  extension: 'crt',
  update: 'update-ca-certificates',
  bundle: '/etc/ssl/certs/ca-certificates.crt',
};
const RED_HAT: Store = {
  folder: '/etc/pki/ca-trust/source/anchors',
  extension: 'pem',
  update: 'update-ca-trust',
  bundle: '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
};

/** The system's store of authorities; `undefined` for a system that is not known. */
export function systemStore(files: FileView): Store | undefined {
  if (files.read('/etc/ca-certificates.conf') !== undefined) return DEBIAN;
  return files.list('/etc/pki/ca-trust').length > 0 ? RED_HAT : undefined;
}

/** Where a runtime looks for authorities of one registry, and what has it read the system's anew. */
interface Trusting {
  readonly runtime: Runtime;
  readonly folder: string;
  readonly restart?: string;
}

/**
 * Has a runtime trust the authority: for each registry by itself, where all can be listed, else by the system's store.
 * That is for every program of the host, so it is the second choice; the authority's constraints hold either way.
 */
export function trustEdits(
  { authority, hosts, isWide }: Interception,
  { runtime, folder, restart }: Trusting,
  files: FileView,
): { readonly edits: readonly Edit[]; readonly notes: readonly string[] } {
  const edit = (path: string): Edit => ({ path, purpose: 'trust', apply: () => authority });
  const store = isWide ? systemStore(files) : undefined;
  if (store !== undefined) {
    // Apart for each runtime, so that one can be taken away without the other.
    const path = `${store.folder}/dadip2p-${runtime}.${store.extension}`;
    const activate = restart === undefined ? store.update : `${store.update} && ${restart}`;
    return { edits: [{ ...edit(path), activate }], notes: [] };
  }
  const notes = isWide
    ? [
        'Origins has whole domains; where this system keeps its authorities is not known: add the certificate there',
      ]
    : [];
  return { edits: hosts.map((host) => edit(`${folder}/${host}/dadip2p.crt`)), notes };
}
