import { P2PError } from '../../protocol/errors.ts';

/** What an image runs on (OCI image-spec, "Image Index"). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

/** What a manifest names. */
export interface Descriptor {
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly mediaType?: string;
  readonly platform?: Platform;
}

/** What a manifest is: a list of manifests, or the blobs of one image or artifact. */
export type Manifest =
  | { readonly kind: 'list'; readonly manifests: readonly Descriptor[] }
  | { readonly kind: 'image'; readonly blobs: readonly Descriptor[] };

// Layers that a registry is not meant to have: Windows' base layers (OCI image-spec, "Non-Distributable Layers").
const FOREIGN = /\.foreign\.|\.nondistributable\./;

/**
 * Reads a manifest.
 *
 * @throws P2PError UPSTREAM_MISMATCHED for what is none, or of a kind whose blobs have no sizes (Docker's schema 1).
 */
export function readManifest(text: string, name: string): Manifest {
  const said = parse(text);
  const list = descriptorsOf(said?.manifests);
  if (list !== undefined) return { kind: 'list', manifests: list };
  const config = descriptorsOf(said?.config === undefined ? [] : [said.config]);
  const layers = descriptorsOf(said?.layers ?? said?.blobs);
  if (config === undefined || layers === undefined) {
    throw new P2PError('UPSTREAM_MISMATCHED', `${name} is no manifest of an image that can be warmed`);
  }
  const blobs = [...config, ...layers].filter(({ mediaType = '' }) => !FOREIGN.test(mediaType));
  return { kind: 'image', blobs };
}

/** `os/architecture[/variant]`; `undefined` for anything else. */
export function parsePlatform(text: string): Platform | undefined {
  const [, os, architecture, variant] = /^([a-z0-9]+)\/([a-z0-9]+)(?:\/([a-z0-9.]+))?$/.exec(text) ?? [];
  if (os === undefined || architecture === undefined) return undefined;
  return { os, architecture, variant };
}

/** Those of a list that are for one of these platforms; one without a variant stands for all variants. */
export function chooseManifests(
  manifests: readonly Descriptor[],
  platforms: readonly Platform[],
): readonly Descriptor[] {
  return manifests.filter(({ platform }) =>
    platforms.some(
      ({ os, architecture, variant }) =>
        platform?.os === os &&
        platform.architecture === architecture &&
        (variant === undefined || platform.variant === variant),
    ),
  );
}

/** `linux/arm64/v8`. */
export const formatPlatform = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, variant].filter(Boolean).join('/');

type Said = Readonly<Record<'manifests' | 'config' | 'layers' | 'blobs', unknown>> | undefined;

function parse(text: string): Said {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}

function descriptorsOf(value: unknown): readonly Descriptor[] | undefined {
  return Array.isArray(value) && value.every(isDescriptor) ? value : undefined;
}

function isDescriptor(value: unknown): value is Descriptor {
  if (!isObject(value)) return false;
  const { digest, size, mediaType, platform } = value;
  return (
    // It becomes part of a URL.
    typeof digest === 'string' &&
    /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,}$/.test(digest) &&
    Number.isSafeInteger(size) &&
    Number(size) >= 0 &&
    isTextOrNone(mediaType) &&
    ((platform ?? undefined) === undefined || isPlatform(platform))
  );
}

const isPlatform = (value: unknown): boolean =>
  isObject(value) && [value.os, value.architecture, value.variant].every(isTextOrNone);

const isTextOrNone = (value: unknown): boolean => typeof (value ?? '') === 'string';

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
