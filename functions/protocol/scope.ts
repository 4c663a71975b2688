// `/v2/<name>/blobs/<digest>` and `/v2/<name>/manifests/<reference>` (OCI distribution, "Endpoints"). A name may have
// slashes and even the word `blobs`: it ends at the last.
const REPOSITORY = /^([a-z]+:\/\/[^/?]+\/v2\/[^?]+)\/(?:blobs|manifests)\/[^/?]+(\?.*)?$/;

/**
 * What a right to read an identity covers: a registry gives rights by repository; of anything else nothing is known
 * but the one URL. A query stays part of it, for it may choose the repository, as `ns` does at a mirror.
 */
export function scopeOf(identity: string): string {
  const [, repository, query = ''] = REPOSITORY.exec(identity) ?? [];
  return repository === undefined ? identity : repository + query;
}
