import { createHash } from 'node:crypto';
import type { Access } from '../blob/access/access.ts';
import { credentialOf } from '../blob/access/credential.ts';
import { readAnswer } from '../blob/answer.ts';
import { MiB } from '../blob/chunk.ts';
import type { Reply, Source } from '../blob/upstream.ts';
import type { Address } from '../protocol/address.ts';
import { type Digest, parseDigest } from '../protocol/digest.ts';
import { hasCode, P2PError } from '../protocol/errors.ts';
import { parseGrant } from '../protocol/grant.ts';
import { ACCESS_HEADER, AGENT_HEADER, headerValue, PROXY_NAME } from '../protocol/headers.ts';

/** One client's question which manifest a tag names. */
export interface TagQuestion {
  /** The tag's own URL at the origin. */
  readonly address: Address;
  /** The client's own, on which the answer depends. */
  readonly accept: string | undefined;
  readonly authorization: string | undefined;
}

/** The manifest that a tag names, for whoever accepts these types. */
export interface NamedManifest {
  readonly digest: Digest;
  readonly mediaType: string | undefined;
  /** Bytes; `undefined` when the origin did not say. */
  readonly size: number | undefined;
}

/** What asking for a tag takes. */
export interface AskTagParts {
  /** Told whom the origin lets read a repository, so that the rest of the pull need not ask again. */
  readonly access: Pick<Access, 'accept' | 'refuse'>;
  /** This agent's address in X-P2P-Agent chains. */
  readonly self: string;
  readonly now: () => number;
}

/** OCI distribution-spec, "Pushing Manifests": registries refuse manifests beyond this. */
export const MAX_MANIFEST_BYTES = 4 * MiB;

/**
 * Asks one source which manifest a tag names: by HEAD, which registries do not count as a pull; where that tells no
 * digest, by GET and hashing what comes. `undefined` when the digest is of a kind that cannot be checked here.
 *
 * @throws P2PError UPSTREAM_REFUSED with what the origin refused; what the source failed with.
 */
export async function askTag(
  source: Source,
  question: TagQuestion,
  parts: AskTagParts,
): Promise<NamedManifest | undefined> {
  const head = await open(source, 'HEAD', question, parts);
  if (head !== undefined) {
    head.body.discard();
    const named = headerValue(head.headers, 'docker-content-digest');
    if (named !== undefined) return describe(head, parseDigest(named), lengthOf(head));
  }
  const whole = await open(source, 'GET', question, parts);
  return whole && hash(whole, source);
}

/** `undefined` where the method is not known, as HEAD here may be. */
async function open(
  source: Source,
  method: 'GET' | 'HEAD',
  question: TagQuestion,
  parts: AskTagParts,
): Promise<Reply | undefined> {
  const { address, accept, authorization } = question;
  const headers = {
    'user-agent': PROXY_NAME,
    [AGENT_HEADER]: parts.self,
    // No cache may answer for the origin here.
    'cache-control': 'no-cache',
    ...(accept === undefined ? {} : { accept }),
    ...(authorization === undefined ? {} : { authorization }),
  };
  // Others may wait for the same answer when one client leaves; the upstream's own time limits end it.
  const { signal } = new AbortController();
  const reply = await source.open({ address, method, headers }, signal);
  if (method === 'HEAD' && (reply.status === 405 || reply.status === 501)) {
    reply.body.discard();
    return undefined;
  }
  await expectWhole(reply, source, question, parts);
  return reply;
}

/** Lets a manifest through, and tells what that, or a refusal, says of the asker's right. */
async function expectWhole(reply: Reply, source: Source, question: TagQuestion, parts: AskTagParts) {
  const { address, authorization } = question;
  const { access, now } = parts;
  const credential = credentialOf(address, authorization);
  const request = { right: address.scope, identity: address.identity, credential };
  try {
    const { kind } = await readAnswer(reply, source);
    // A page in place of a manifest is of some portal or error handler in between.
    const isPage = /^text\/html\b/i.test(headerValue(reply.headers, 'content-type') ?? '');
    if (kind === 'whole' && !isPage) {
      access.accept(request, parseGrant(headerValue(reply.headers, ACCESS_HEADER), now()));
      return;
    }
  } catch (error) {
    // Of what is not there, or asked for too often, nothing follows for the repository.
    if (hasCode(error, 'UPSTREAM_REFUSED') && (error.status === 401 || error.status === 403)) {
      access.refuse(request, error);
    }
    throw error;
  }
  reply.body.discard();
  throw new P2PError('UPSTREAM_MISMATCHED', `${source.name} answered ${reply.status} for a manifest`);
}

async function hash(whole: Reply, source: Source): Promise<NamedManifest | undefined> {
  const sum = createHash('sha256');
  let size = 0;
  await whole.body.read((piece) => {
    size += piece.length;
    if (size > MAX_MANIFEST_BYTES) {
      throw new P2PError('UPSTREAM_MISMATCHED', `${source.name} sends no end of a manifest`);
    }
    sum.update(piece);
  });
  return describe(whole, `sha256:${sum.digest('hex')}`, size);
}

const describe = (
  { headers }: Reply,
  digest: Digest | undefined,
  size: number | undefined,
): NamedManifest | undefined => digest && { digest, mediaType: headerValue(headers, 'content-type'), size };

function lengthOf({ headers }: Reply): number | undefined {
  const text = headerValue(headers, 'content-length') ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
