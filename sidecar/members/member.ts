/** An agent of this cluster. */
export interface Member {
  /** Stays with the node over restarts and changes of address. */
  readonly id: string;
  /** `scheme://host:port` of its P2P port, as `URL.origin` writes it. */
  readonly url: string;
  /** Label of where it stands; members of one zone are near each other. Empty when it has none. */
  readonly zone: string;
  /** Its share of the work beside others; above 0, 1 is usual. */
  readonly weight: number;
}

/** Who is in the cluster, as this node sees it. Views of two nodes may differ for a while. */
export interface Members {
  readonly self: Member;
  /**
   * Live members in the order of their ids, self among them. The same array until something changes, so that what is
   * derived from it can be kept for as long.
   */
  list(): readonly Member[];
  /** The member whose P2P port a URL, such as that of a Location, is on; `undefined` when it is of no live member. */
  byUrl(url: string): Member | undefined;
  /** Says goodbye where that is heard, and stops asking who is there. */
  close(): Promise<void>;
}
