/**
 * The media types that a manifest of an image, of a list of images or of an artifact has: Docker's schema 2, OCI's, and
 * Docker's old ones, which a registry may still hold and would otherwise convert or refuse.
 */
const MANIFEST_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.artifact.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  'application/vnd.docker.distribution.manifest.v1+json',
] as const;

/** The Accept header that gets any manifest as it is stored. What its digest names does not depend on who asks. */
export const MANIFEST_ACCEPT = [...MANIFEST_TYPES, '*/*'].join(', ');

/** True for the Content-Type of a manifest. */
export const isManifestType = (contentType: string | undefined): boolean =>
  (MANIFEST_TYPES as readonly string[]).includes((contentType ?? '').split(';', 1)[0]?.trim() ?? '');
