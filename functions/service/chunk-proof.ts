import type { BlobFacts } from '../blob/facts.ts';
import { type HeaderLines, P2PError } from '../protocol/errors.ts';
import { CHUNK_DIGEST_HEADER, headerValue, SIGNATURE_HEADER } from '../protocol/headers.ts';
import type { Span } from '../protocol/range.ts';
import type { BlobRequest } from './blob-request.ts';
import type { ChunkSignatures } from './chunk-signature.ts';
import type { ReplyPlan } from './reply-plan.ts';

/** By which a reply to another node proves the chunk that it has the end of. */
export class ChunkProof {
  /** The lines that it is made of, for `Trailer`. */
  readonly names: string;
  readonly #lines: (sha256: string) => HeaderLines;

  private constructor(names: readonly string[], lines: (sha256: string) => HeaderLines) {
    this.names = names.join(', ');
    this.#lines = lines;
  }

  /** What goes along with a reply to a node of ours; `undefined` where it has no use. */
  static of(
    signatures: ChunkSignatures | undefined,
    { node }: BlobRequest,
    { parts }: ReplyPlan,
    facts: BlobFacts,
  ): ChunkProof | undefined {
    const [part] = parts;
    if (signatures === undefined || node === undefined || part === undefined || parts.length > 1)
      return undefined;
    const index = Math.floor(part.span.start / facts.chunkBytes);
    const base = index * facts.chunkBytes;
    if (part.span.end !== Math.min(facts.size, base + facts.chunkBytes)) return undefined;
    const isWhole = part.span.start === base;
    return new ChunkProof([nameOf(isWhole), SIGNATURE_HEADER], (sha256) => {
      const { 'content-digest': digest, ...signature } = signatures.sign({ facts, index }, sha256);
      return { [nameOf(isWhole)]: digest, ...signature };
    });
  }

  /** @throws P2PError CHUNK_CORRUPT when there is no digest. */
  lines(sha256: string | undefined): HeaderLines {
    if (sha256 === undefined) throw new P2PError('CHUNK_CORRUPT', 'a chunk has ended without its digest');
    return this.#lines(sha256);
  }
}

/** What the lines of a reply, headers or trailers, prove of the chunk that the bytes of this span are the end of. */
export function provenBy(
  signatures: ChunkSignatures,
  facts: BlobFacts,
  index: number,
  { start }: Pick<Span, 'start'>,
  lines: HeaderLines,
): string | undefined {
  const digest = headerValue(lines, nameOf(start === index * facts.chunkBytes));
  return digest === undefined
    ? undefined
    : signatures.verify({ facts, index }, { ...lines, 'content-digest': digest });
}

// Content-Digest is of what a reply has (RFC 9530 §2): of the rest of a chunk it would be another.
const nameOf = (isWhole: boolean): string => (isWhole ? 'content-digest' : CHUNK_DIGEST_HEADER);
