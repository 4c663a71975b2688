import { createHash } from 'node:crypto';
import { parseAddress } from '../../protocol/address.ts';
import { type Digest, parseDigest } from '../../protocol/digest.ts';
import { P2PError } from '../../protocol/errors.ts';
import { type ImageName, parseImageName } from '../../service/image-name.ts';
import type { Login } from '../../service/registry-auth.ts';
import { parsePlatform } from './manifest.ts';

/** What is to be warmed, as it was asked for. URLs may be signed: it is kept nowhere but in calls. */
export interface WarmJob {
  readonly images: readonly string[];
  /** Of images that are lists of images; `all` for every one. */
  readonly platforms: readonly string[];
  readonly urls: readonly string[];
  /** Blobs of repositories, `registry/repository@sha256:<hex>`. */
  readonly digests: readonly string[];
}

/** A job with what its private parts are read by. */
export interface WarmOrder {
  readonly job: WarmJob;
  /** By registry as images name it, or by `host[:port]` of a URL. */
  readonly logins: Readonly<Record<string, Login>>;
}

const FIELDS: ReadonlySet<string> = new Set(['images', 'platforms', 'urls', 'digests', 'logins']);
// A fleet's most common machine.
const DEFAULT_PLATFORMS = ['linux/amd64'];
/** Stands for every platform. */
export const ALL_PLATFORMS = 'all';

/**
 * The order that a request's body is.
 *
 * @throws P2PError API_REQUEST_INVALID that names what is wrong; ADDRESS_INVALID.
 */
export function parseOrder(body: unknown): WarmOrder {
  if (!isObject(body)) throw invalid('the body must be an object with images, urls or digests');
  const unknown = Object.keys(body).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) throw invalid(`unknown field ${unknown}; known: ${[...FIELDS].join(', ')}`);
  const given = (name: string) => textsOf(body[name], name);
  const [images, urls, digests] = [given('images'), given('urls'), given('digests')];
  if (images.length + urls.length + digests.length === 0) throw invalid('name images, urls or digests');
  const platforms = given('platforms');
  images.forEach(imageOf);
  urls.forEach(parseAddress);
  digests.forEach(digestOf);
  const odd = platforms.find((name) => name !== ALL_PLATFORMS && parsePlatform(name) === undefined);
  if (odd !== undefined) {
    throw invalid(`platforms: ${odd} is none; write os/architecture[/variant], or ${ALL_PLATFORMS}`);
  }
  const job = { images, platforms: platforms.length > 0 ? platforms : DEFAULT_PLATFORMS, urls, digests };
  return { job, logins: loginsOf(body.logins) };
}

/**
 * Names a job by what it is, whatever signatures its URLs carry and in whatever order it is written: who asks for the
 * same again goes on with it.
 */
export function jobId({ images, platforms, urls, digests }: WarmJob): string {
  const sorted = (texts: readonly string[]) => [...new Set(texts)].sort();
  const identities = urls.map((url) => parseAddress(url).identity);
  const text = JSON.stringify([images, platforms, identities, digests].map(sorted));
  return createHash('sha256').update(text).digest('hex').slice(0, JOB_ID_LETTERS);
}

const JOB_ID_LETTERS = 32;

/** True for what `jobId` makes; anything else is no path of ours. */
export const isJobId = (text: string): boolean => /^[0-9a-f]{32}$/.test(text);

/** @throws P2PError API_REQUEST_INVALID. */
export function imageOf(text: string): ImageName {
  const image = parseImageName(text);
  if (image === undefined)
    throw invalid(`images: ${text} is none; write [registry/]repository[:tag|@digest]`);
  return image;
}

/** @throws P2PError API_REQUEST_INVALID. */
export function digestOf(text: string): ImageName & { readonly reference: Digest } {
  const image = parseImageName(text);
  const reference = image && parseDigest(image.reference);
  if (image !== undefined && reference !== undefined) return { ...image, reference };
  throw invalid(`digests: ${text} is none; write registry/repository@sha256:<64 hex digits>`);
}

function textsOf(value: unknown, name: string): readonly string[] {
  if (value === undefined) return [];
  const isList = Array.isArray(value) && value.every((text) => typeof text === 'string' && text !== '');
  if (!isList) throw invalid(`${name} must be a list of texts`);
  return value as readonly string[];
}

function loginsOf(value: unknown): Readonly<Record<string, Login>> {
  if (value === undefined) return {};
  const isLogin = (login: unknown) =>
    isObject(login) && typeof login.username === 'string' && typeof login.password === 'string';
  if (!isObject(value) || !Object.values(value).every(isLogin)) {
    throw invalid('logins must be {"registry": {"username": …, "password": …}}');
  }
  return value as Readonly<Record<string, Login>>;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const invalid = (message: string): P2PError => new P2PError('API_REQUEST_INVALID', message);
