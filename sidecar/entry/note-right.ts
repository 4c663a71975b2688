import type { IncomingMessage } from 'node:http';
import type { Access } from '../../functions/blob/access/access.ts';
import { credentialOf } from '../../functions/blob/access/credential.ts';
import type { Address } from '../../functions/protocol/address.ts';
import { isManifestType } from '../../functions/protocol/manifest.ts';

/**
 * Takes note of the right that an origin's reply to a request that passed through shows: who was given a manifest may
 * read what else the repository has, as `docker pull` does next with the same credential. So that pull costs no question
 * about it.
 *
 * Nothing follows for everyone: what passes through may carry proofs of a right that are not known here as such.
 */
export function noteRight(
  access: Pick<Access, 'accept'>,
  address: Address,
  request: IncomingMessage,
  reply: IncomingMessage,
): void {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (!isRead || reply.statusCode !== 200 || !isManifestType(reply.headers['content-type'])) return;
  const given = request.headersDistinct.authorization ?? [];
  const isOne = given.length === 1 && given[0] !== '' && request.headers.cookie === undefined;
  if (!isOne || address.scope === address.identity) return;
  const { scope: right, identity } = address;
  const asked = { right, identity, credential: credentialOf(address, given[0]) };
  access.accept(asked, { untilMs: Number.POSITIVE_INFINITY, publicBy: undefined });
}
