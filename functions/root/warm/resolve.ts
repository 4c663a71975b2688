import pLimit from 'p-limit';
import type { Blob } from '../../blob/blob.ts';
import { redact } from '../../protocol/address.ts';
import { P2PError } from '../../protocol/errors.ts';
import { MAX_MANIFEST_BYTES } from '../../service/ask-tag.ts';
import type { ImageName } from '../../service/image-name.ts';
import type { Registries } from '../../service/registries.ts';
import { type FillParts, openKept } from './fill-blob.ts';
import { ALL_PLATFORMS, digestOf, imageOf, type WarmJob } from './job.ts';
import type { JobReader } from './job-reader.ts';
import {
  chooseManifests,
  type Descriptor,
  formatPlatform,
  type Platform,
  parsePlatform,
  readManifest,
} from './manifest.ts';
import type { PlannedBlob } from './plan.ts';
import type { Amount, Failure } from './progress.ts';

/** What finding out what a job comes to takes. */
export interface ResolveParts {
  readonly reader: Pick<JobReader, 'open' | 'digestOf'>;
  readonly store: FillParts['store'];
  readonly registries: Pick<Registries, 'originOf'>;
}

/** The blobs of a job, each once, and what could not be found out. */
export interface Resolved {
  readonly blobs: readonly PlannedBlob[];
  readonly failures: readonly Failure[];
  /** What had to be fetched to find out. */
  readonly fetched: Amount;
}

// As many as a client opens connections.
const AT_ONCE = 8;
// A list of lists is all that there is in practice.
const MAX_DEPTH = 3;
// What a manifest says is whatever somebody wrote into it: more than this is no image, and would take up all memory.
// A job of as many blobs can be told in one reply of a function.
const MAX_BLOBS = 20_000;
const MAX_BYTES = 16 * 1024 ** 4;
// Platforms of a list that has not the right one.
const MAX_TOLD = 30;

/**
 * Finds out which blobs a job comes to: of an image its manifests, configuration and layers. What fails is told and
 * leaves the rest alone.
 */
export async function resolveJob(job: WarmJob, parts: ResolveParts, signal: AbortSignal): Promise<Resolved> {
  const limit = pLimit(AT_ONCE);
  const failures: Failure[] = [];
  const fetched = { chunks: 0, bytes: 0 };
  const open = async (url: string): Promise<Blob> => {
    const { blob, fetchedBytes } = await openKept(url, 0, parts, signal);
    fetched.chunks += fetchedBytes > 0 ? 1 : 0;
    fetched.bytes += fetchedBytes;
    return blob;
  };
  const counted = new Set<PlannedBlob['at']>();
  let bytes = 0;
  const attempt = (what: string, resolve: () => Promise<readonly PlannedBlob[]>) =>
    limit(async () => {
      try {
        const blobs = await resolve();
        const more = blobs.filter(({ at }) => !counted.has(at));
        const moreBytes = more.reduce((sum, { size }) => sum + size, 0);
        checkAmount(what, counted.size + more.length, bytes + moreBytes);
        for (const { at } of more) counted.add(at);
        bytes += moreBytes;
        return blobs;
      } catch (error) {
        signal.throwIfAborted();
        failures.push(failureOf(what, error));
        return [];
      }
    });
  const found = await Promise.all([
    ...job.images.map((name) =>
      attempt(name, () => blobsOfImage(name, job.platforms, { ...parts, open }, signal)),
    ),
    ...job.digests.map((name) =>
      attempt(name, async () => {
        const { registry, repository, reference } = digestOf(name);
        const url = `${parts.registries.originOf(registry, 'registry')}/v2/${repository}/blobs/${reference}`;
        return [{ at: url, size: (await open(url)).facts.size }];
      }),
    ),
    ...job.urls.map((url, at) =>
      attempt(redact(url), async () => [{ at, size: (await open(url)).facts.size }]),
    ),
  ]);
  const blobs = new Map(found.flat().map((blob) => [blob.at, blob]));
  return { blobs: [...blobs.values()], failures, fetched };
}

/** @throws what did not go wrong for a reason that is known: a bug. */
export function failureOf(what: string, error: unknown): Failure {
  if (!(error instanceof P2PError)) throw error;
  return { what, code: error.code, message: error.message };
}

/** @throws P2PError UPSTREAM_MISMATCHED. */
function checkAmount(what: string, blobs: number, bytes: number): void {
  if (blobs <= MAX_BLOBS && bytes <= MAX_BYTES) return;
  const limits = `${MAX_BLOBS} blobs and ${MAX_BYTES / 1024 ** 4} TiB`;
  throw new P2PError('UPSTREAM_MISMATCHED', `${what} is too much: a job has at most ${limits}`);
}

async function blobsOfImage(
  name: string,
  platforms: readonly string[],
  { reader, registries, open }: ResolveParts & { readonly open: (url: string) => Promise<Blob> },
  signal: AbortSignal,
): Promise<readonly PlannedBlob[]> {
  const image = imageOf(name);
  const base = `${registries.originOf(image.registry, 'registry')}/v2/${image.repository}`;
  const urlOf = (kind: 'blobs' | 'manifests', reference: string) => `${base}/${kind}/${reference}`;
  const named = isDigest(image)
    ? image.reference
    : await reader.digestOf(urlOf('manifests', image.reference), signal);
  const blobs: PlannedBlob[] = [];
  const seen = new Set<string>();
  const visit = async (digest: string, depth: number): Promise<void> => {
    if (seen.has(digest)) return;
    seen.add(digest);
    checkAmount(name, blobs.length + 1, 0);
    const url = urlOf('manifests', digest);
    const text = await readWhole(await open(url), url, signal);
    blobs.push({ at: url, size: Buffer.byteLength(text) });
    const manifest = readManifest(text, `${name} (${digest})`);
    if (manifest.kind === 'image') {
      blobs.push(...manifest.blobs.map(({ digest, size }) => ({ at: urlOf('blobs', digest), size })));
      return;
    }
    if (depth === MAX_DEPTH)
      throw new P2PError('UPSTREAM_MISMATCHED', `${name} is lists of lists without end`);
    for (const { digest } of chosen(name, manifest.manifests, platforms)) await visit(digest, depth + 1);
  };
  await visit(named, 1);
  return blobs;
}

/** A manifest, verified. */
async function readWhole(blob: Blob, url: string, signal: AbortSignal): Promise<string> {
  const { size } = blob.facts;
  if (size > MAX_MANIFEST_BYTES)
    throw new P2PError('UPSTREAM_MISMATCHED', `${url} is no manifest: ${size} bytes`);
  const pieces: Buffer[] = [];
  for await (const piece of blob.read({ start: 0, end: size }, signal)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString();
}

const isDigest = ({ reference }: ImageName): boolean => reference.includes(':');

/** @throws P2PError UPSTREAM_MISMATCHED when there is none, saying which there are. */
function chosen(
  name: string,
  manifests: readonly Descriptor[],
  platforms: readonly string[],
): readonly Descriptor[] {
  if (platforms.includes(ALL_PLATFORMS)) return manifests;
  const wanted = platforms.map(parsePlatform).filter((platform) => platform !== undefined);
  const missing = wanted.find((platform) => chooseManifests(manifests, [platform]).length === 0);
  if (missing === undefined) return chooseManifests(manifests, wanted);
  const there = manifests
    .flatMap(({ platform }) => (isKnown(platform) ? [formatPlatform(platform)] : []))
    .slice(0, MAX_TOLD);
  throw new P2PError(
    'UPSTREAM_MISMATCHED',
    `${name} is not there for ${formatPlatform(missing)}; it is for ${there.join(', ') || 'no platform that it names'}`,
  );
}

/**
 * Signatures and the like stand in lists as for `unknown/unknown` (buildkit, "Attestation storage"); and what is no
 * platform's name is nothing to print on somebody's terminal.
 */
const isKnown = (platform: Platform | undefined): platform is Platform =>
  (platform ?? undefined) !== undefined &&
  platform?.os !== 'unknown' &&
  parsePlatform(formatPlatform(platform as Platform)) !== undefined;
