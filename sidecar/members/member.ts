import type { Member } from '../../functions/protocol/member.ts';

export type { Member };

/** Who is in the cluster, as this node sees it. Views of two nodes may differ for a while. */
export interface Members {
  readonly self: Member;
  /**
   * Live members of the zone in the order of their ids, self among them. The same array until something changes, so
   * that what is derived from it can be kept for as long.
   */
  list(): readonly Member[];
  /** The member whose P2P port a URL, such as that of a Location, is on; `undefined` when it is of no live member. */
  byUrl(url: string): Member | undefined;
  /** Says goodbye where that is heard, and stops asking who is there; what was known last stays. */
  close(): Promise<void>;
}
