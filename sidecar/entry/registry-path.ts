import { type Digest, parseDigest } from '../../functions/protocol/digest.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import { type RegistryCode, registryBody } from '../../functions/service/registry-error.ts';

/** What a request to a registry is for. */
export type RegistryPath =
  | { readonly kind: 'ping' }
  | { readonly kind: 'blob'; readonly name: string; readonly digest: Digest }
  | { readonly kind: 'manifest'; readonly name: string; readonly digest: Digest }
  | { readonly kind: 'tag'; readonly name: string; readonly tag: string }
  /** Whatever else a registry may answer: lists, referrers, extensions, digests that are no sha-256. */
  | { readonly kind: 'other' };

// OCI distribution-spec, "Pulling manifests".
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const MAX_NAME = 255;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
// OCI image-spec, descriptor.md, "Digests".
const DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;
// Nothing in the API needs encoding, and what is encoded is decoded differently by those who hand it on.
const SAFE_PATH = /^\/v2(?:\/[A-Za-z0-9._~:@+=,;!$&'()*-]+)*\/?$/;

/**
 * Reads the path of a request, as it came, without its query.
 *
 * @throws P2PError ADDRESS_INVALID for a path that cannot be a registry's, with the registry API's own code:
 * NAME_INVALID, DIGEST_INVALID; MANIFEST_UNKNOWN, as 404, for what can be no tag.
 */
export function parseRegistryPath(path: string): RegistryPath {
  if (path === '/v2' || path === '/v2/') return { kind: 'ping' };
  if (!SAFE_PATH.test(path) || /\/\.{1,2}(?:\/|$)/.test(path)) {
    throw invalid('NAME_INVALID', 'the path has characters that no path of a registry has');
  }
  // A name may have any of these words in it: it ends at the last.
  const [, name = '', what, reference = ''] = /^\/v2\/(.+)\/(blobs|manifests)\/([^/]+)$/.exec(path) ?? [];
  if (what === undefined) return { kind: 'other' };
  if (!NAME.test(name) || name.length > MAX_NAME) {
    throw invalid('NAME_INVALID', `"${name}" is no repository name`);
  }
  const digest = parseDigest(reference);
  if (digest !== undefined) return { kind: what === 'blobs' ? 'blob' : 'manifest', name, digest };
  if (reference.includes(':') || what === 'blobs') {
    if (!DIGEST.test(reference) || reference.startsWith('sha256:')) {
      throw invalid('DIGEST_INVALID', `"${reference}" is no digest`);
    }
    return { kind: 'other' };
  }
  if (!TAG.test(reference)) throw invalid('MANIFEST_UNKNOWN', `"${reference}" is no tag`, 404);
  return { kind: 'tag', name, tag: reference };
}

function invalid(code: RegistryCode, message: string, status = 400): P2PError {
  return new P2PError('ADDRESS_INVALID', message, {
    status,
    headers: { 'content-type': 'application/json' },
    body: registryBody(code, message, 'ADDRESS_INVALID'),
  });
}
