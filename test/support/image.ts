import { gzipSync } from 'node:zlib';
import { blobOf, sha256 } from './blob-of.ts';
import { type Ask, get } from './client.ts';

/** What an image is made of. */
export interface ImageOptions {
  /** Bytes of incompressible data in each layer. */
  readonly layerBytes: readonly number[];
  readonly seed?: string;
  readonly format?: 'docker' | 'oci';
  /** gzip's level; 0, the default, stores, which is fast and still a valid layer. */
  readonly level?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A blob as a manifest names it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly size: number;
  readonly digest: `sha256:${string}`;
}

/** An image that a registry now has. */
export interface Image {
  /** `host:port/repository:tag` */
  readonly reference: string;
  readonly repository: string;
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

const MEDIA_TYPES = {
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  },
} as const;

/**
 * Makes an image, the same for the same options, and pushes it through the registry's own API
 * (OCI distribution-spec, "Push"): no container engine is needed.
 */
export async function pushImage(
  registryUrl: string,
  repository: string,
  tag: string,
  { layerBytes, seed = 'image', format = 'docker', level = 0, headers = {} }: ImageOptions,
): Promise<Image> {
  const types = MEDIA_TYPES[format];
  const push = (bytes: Buffer, mediaType: string) =>
    pushBlob(registryUrl, repository, bytes, mediaType, headers);
  const layers: Descriptor[] = [];
  const diffIds: string[] = [];
  for (const [index, size] of layerBytes.entries()) {
    const tar = tarOf(`data/layer-${index}.bin`, blobOf(size, `${seed}-${index}`));
    diffIds.push(`sha256:${sha256(tar)}`);
    layers.push(await push(gzipSync(tar, { level }), types.layer));
  }
  const created = '2020-01-01T00:00:00Z';
  const history = layers.map((_, index) => ({ created, created_by: `layer ${index}` }));
  const rootfs = { type: 'layers', diff_ids: diffIds };
  const configText = {
    architecture: 'amd64',
    os: 'linux',
    created,
    config: { Cmd: ['/bin/true'] },
    rootfs,
    history,
  };
  const config = await push(Buffer.from(JSON.stringify(configText)), types.config);
  const manifestText = { schemaVersion: 2, mediaType: types.manifest, config, layers };
  const bytes = Buffer.from(JSON.stringify(manifestText));
  await expect(201, `${registryUrl}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': types.manifest, ...headers },
    body: bytes,
  });
  const reference = `${new URL(registryUrl).host}/${repository}:${tag}`;
  return { reference, repository, manifest: describe(bytes, types.manifest), config, layers };
}

async function pushBlob(
  registryUrl: string,
  repository: string,
  bytes: Buffer,
  mediaType: string,
  headers: Readonly<Record<string, string>>,
): Promise<Descriptor> {
  const descriptor = describe(bytes, mediaType);
  const begun = await expect(202, `${registryUrl}/v2/${repository}/blobs/uploads/`, {
    method: 'POST',
    headers,
  });
  const location = new URL(begun.headers.location ?? '', registryUrl);
  location.searchParams.set('digest', descriptor.digest);
  await expect(201, location.href, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream', ...headers },
    body: bytes,
  });
  return descriptor;
}

const describe = (bytes: Buffer, mediaType: string): Descriptor => ({
  mediaType,
  size: bytes.length,
  digest: `sha256:${sha256(bytes)}`,
});

async function expect(status: number, url: string, ask: Ask) {
  const body = ask.body ?? '';
  const answer = await get(url, {
    ...ask,
    body,
    headers: { ...ask.headers, 'content-length': String(body.length) },
  });
  if (answer.status !== status) throw new Error(`${ask.method} ${url} gave ${answer.status}: ${answer.text}`);
  return answer;
}

/** A tar archive of one file (POSIX ustar). */
function tarOf(name: string, data: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  // The checksum is taken with its own field as spaces.
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\0' + '00', 257);
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((512 - (data.length % 512)) % 512);
  return Buffer.concat([header, data, padding, Buffer.alloc(1024)]);
}

/** Puts a list of images of one repository under a tag, each for the platform it is named by: `linux/arm64/v8`. */
export async function pushIndex(
  registryUrl: string,
  repository: string,
  tag: string,
  images: Readonly<Record<string, Image>>,
): Promise<Descriptor> {
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const manifests = Object.entries(images).map(([name, { manifest }]) => {
    const [os, architecture, variant] = name.split('/');
    return { ...manifest, platform: { os, architecture, ...(variant && { variant }) } };
  });
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  await expect(201, `${registryUrl}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: bytes,
  });
  return describe(bytes, mediaType);
}
