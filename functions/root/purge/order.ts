import { type Address, parseAddress } from '../../protocol/address.ts';
import { type Digest, parseDigest } from '../../protocol/digest.ts';
import { P2PError } from '../../protocol/errors.ts';
import type { Settings } from '../../service/config/settings.ts';
import { parseImageName } from '../../service/image-name.ts';
import { Registries } from '../../service/registries.ts';
import type { Rules } from '../../service/rules.ts';

/** What is to be purged. */
export type PurgeTarget =
  | { readonly kind: 'address'; readonly address: Address }
  | { readonly kind: 'digest'; readonly digest: Digest }
  /** What was learnt at this URL, or where it ends in a slash below it. */
  | { readonly kind: 'source'; readonly source: string };

// What may be purged is not for the list of origins to say.
const ANY = { checkListed: () => {}, checkAddress: () => {} };

/** What names are understood by. */
export interface PurgeNames {
  readonly mirror: Settings['Mirror'];
  readonly rules: Pick<Rules, 'judge'>;
}

/**
 * What a request asks to be purged: `{"blob": URL or digest}`, `{"repository": name of an image, or URL}` or
 * `{"origin": scheme://host}`.
 *
 * @throws P2PError API_REQUEST_INVALID for anything else, ADDRESS_INVALID for a URL that is none.
 */
export function parseTarget(order: unknown, { mirror, rules }: PurgeNames): PurgeTarget {
  const { blob, repository, origin } = (order ?? {}) as Readonly<Record<string, unknown>>;
  const given = [blob, repository, origin].filter((text) => text !== undefined);
  if (given.length !== 1 || typeof given[0] !== 'string') {
    throw invalid('send one of {"blob": …}, {"repository": …} and {"origin": …}');
  }
  if (typeof blob === 'string') {
    if (blob.startsWith('sha256:')) return { kind: 'digest', digest: digestOf(blob) };
    return { kind: 'address', address: rules.judge(parseAddress(blob), 'GET').address };
  }
  if (typeof origin === 'string') {
    const { href } = new URL(parseAddress(origin).origin);
    return { kind: 'source', source: href };
  }
  return { kind: 'source', source: sourceOf(String(repository), mirror) };
}

/** A repository's URL: `alpine`, `ghcr.io/owner/name`, or as it is. */
function sourceOf(repository: string, mirror: Settings['Mirror']): string {
  if (repository.includes('://')) return parseAddress(repository).identity.split('?', 1)[0] ?? '';
  const name = parseImageName(repository);
  if (name === undefined) throw invalid(`"${repository}" is no name of a repository`);
  return `${new Registries(mirror, ANY).originOf(name.registry, 'repository')}/v2/${name.repository}`;
}

function digestOf(text: string): Digest {
  const digest = parseDigest(text);
  if (digest === undefined) throw invalid(`"${text}" is no digest: sha256: and 64 digits`);
  return digest;
}

const invalid = (message: string): P2PError => new P2PError('API_REQUEST_INVALID', message);
