import type { IncomingMessage } from 'node:http';
import type { Flight } from '../../functions/blob/flight.ts';
import { addressKey } from '../../functions/blob/identity.ts';
import type { Address } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import { AGENT_HEADER, HOPS_HEADER, headerValue } from '../../functions/protocol/headers.ts';
import { parseRange } from '../../functions/protocol/range.ts';
import type { BlobRequest } from '../../functions/service/blob-request.ts';
import { BACK, type FanOut } from '../../functions/service/fan-out.ts';
import type { Member } from '../members/member.ts';

/** What sending nodes on takes. */
export interface ReferralsParts {
  readonly fanOut: FanOut;
  readonly apiKey: string;
  readonly chunkBytes: number;
  /** Requests of nodes that are answered at a time. */
  readonly maxRequests: number;
  /** True once this node only ends what it has begun. */
  readonly isDraining: () => boolean;
  /** Who could serve a chunk instead, best first. */
  readonly standIns: (address: Address, index: number) => readonly Member[];
  /** `scheme://host:port` each. */
  readonly roots: readonly string[];
  /** True while this node waits for that one to begin with this chunk. */
  readonly isAwaiting: (node: string, address: Address, index: number) => boolean;
  /** The chunk on its way here, where it is. */
  readonly coming: (address: Address, index: number) => Coming | undefined;
  /** Told of each node that is sent on. */
  readonly onReferral: () => void;
}

/** How much of a chunk has come, in bytes from its start, and from what kind of source it comes, once that is known. */
export type Coming = Pick<Flight, 'filled' | 'from'>;

/**
 * True when who goes on with a chunk from its byte `from` could wait here for itself: what comes from siblings may come
 * from it, over others, and of none of those who wait in such a circle has anyone more than the others.
 */
export const mayBeCircle = (coming: Coming | undefined, from: number): boolean =>
  coming !== undefined && coming.filled <= from && (coming.from ?? 'sibling') === 'sibling';

/** Sends nodes that ask for a chunk on to others: where it has enough children, cannot serve, or is about to go. */
export class Referrals {
  readonly #parts: ReferralsParts;
  #sending = 0;

  constructor(parts: ReferralsParts) {
    this.#parts = parts;
  }

  /** Nodes that are being answered here. */
  get sending(): number {
    return this.#sending;
  }

  /**
   * The URL where a node is to ask instead; `undefined` where it is to be answered here, as clients always are. It is
   * of a member or a configured root.
   *
   * @throws P2PError DRAINING for clients of a node that only ends what it has begun, who cannot be sent on; LOOP_DETECTED when the node is asked for the same itself at this moment, or may be, over others;
   * OVERLOADED for nodes that were sent here by one who can send them elsewhere.
   */
  of({ request, response, address, node }: BlobRequest): string | undefined {
    if (node === undefined) {
      if (this.#parts.isDraining()) throw new P2PError('DRAINING', 'this node is about to stop');
      return undefined;
    }
    const part = this.#partOf(request);
    const host = part === undefined ? undefined : this.#hostFor(request, address, node, part);
    if (host === undefined) {
      this.#sending += 1;
      response.once('close', () => {
        this.#sending -= 1;
      });
      return undefined;
    }
    this.#parts.onReferral();
    return `${host}/${this.#parts.apiKey}/${address.url}`;
  }

  #hostFor({ headers }: IncomingMessage, address: Address, node: string, part: Part): string | undefined {
    const { index, from } = part;
    const { fanOut, isAwaiting, coming, isDraining, maxRequests, standIns, roots } = this.#parts;
    const asked = (headerValue(headers, AGENT_HEADER) ?? '').split(/[ ,]+/).filter((one) => one !== node);
    if (isDraining() || this.#sending >= maxRequests) {
      const other = standIns(address, index).find(({ url }) => url !== node && !asked.includes(url));
      return other?.url ?? roots[0];
    }
    if (isAwaiting(node, address, index)) {
      throw new P2PError('LOOP_DETECTED', `${node} is asked for chunk ${index} of this itself`);
    }
    if (from > 0) {
      // It has the beginning from one that has gone: sent on, it could come to one that waits for it.
      if (!mayBeCircle(coming(address, index), from)) return undefined;
      throw new P2PError('LOOP_DETECTED', `there is no more of chunk ${index} here than ${node} has`);
    }
    const redirects = Number(headerValue(headers, HOPS_HEADER) ?? 0);
    const referral = fanOut.refer(`${addressKey(address)} ${index}`, { node, asked, redirects });
    if (referral === BACK) throw new P2PError('OVERLOADED', 'too many nodes are being answered here');
    return referral;
  }

  /** The part of one chunk that a request is for; `undefined` for any other. */
  #partOf({ method, headers }: IncomingMessage): Part | undefined {
    const specs = method === 'GET' ? parseRange(headerValue(headers, 'range')) : undefined;
    const [spec] = specs ?? [];
    if (specs?.length !== 1 || spec === undefined || !('first' in spec) || spec.last === undefined)
      return undefined;
    const { chunkBytes } = this.#parts;
    const index = Math.floor(spec.first / chunkBytes);
    if (Math.floor(spec.last / chunkBytes) !== index) return undefined;
    return { index, from: spec.first - index * chunkBytes };
  }
}

interface Part {
  readonly index: number;
  /** Bytes of the chunk before it. */
  readonly from: number;
}
