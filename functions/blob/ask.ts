import type { Address } from '../protocol/address.ts';
import type { HeaderLines } from '../protocol/errors.ts';
import type { Grant } from '../protocol/grant.ts';
import type { Credential } from './access/credential.ts';
import type { ReadTrace } from './read-trace.ts';

/** What someone wants to read. */
export interface Ask {
  readonly address: Address;
  /** Sent to the upstream on a miss; lower-case. */
  readonly headers: HeaderLines;
  /** Offset of the first byte needed, so that the request that learns the facts brings it along; `undefined` for facts alone. */
  readonly first: number | undefined;
  /** False when only heads are wanted, so that a refusal needs no body either. */
  readonly wantsBody: boolean;
  /** What the asker proves its right to read by; `headers` has the part of it that is a header. */
  readonly credential: Credential;
  /** What a node of ours shows of a right that it has seen proven; `undefined` for a right that it shows nothing of. */
  readonly shown?: ((right: string) => Grant | undefined) | undefined;
  /** True for a node of ours, which checks each chunk before a client of it sees any: it may have what is not checked. */
  readonly relays?: boolean;
  /** True when it comes from another node: for it fewer are asked than for a client, which has nobody else to turn to. */
  readonly isPassedOn?: boolean;
  /** True when nobody is to be asked for it: whoever asks keeps its client's credential to itself. */
  readonly onlyCached?: boolean;
  /** Is told, while there is nothing to give yet, that somebody who can be waited for is getting it. */
  readonly heard?: (() => void) | undefined;
  /** Is told where each chunk came from. */
  readonly trace?: ReadTrace | undefined;
  /** True when the asker doubts what is cached (`Cache-Control: no-cache`): facts are confirmed, digests checked again. */
  readonly doubtful: boolean;
}
