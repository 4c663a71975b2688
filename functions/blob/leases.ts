/** What asking for a lease came to. */
export type Claim<T> =
  /** It is there by now: somebody else has fetched it. */
  | { readonly found: T; readonly release?: undefined }
  /**
   * It is the asker's to fetch. `release` once what was fetched is kept for the others, or is not to be had; it never
   * fails.
   */
  | {
      readonly found?: undefined;
      readonly release: () => Promise<void>;
      /** To be told when it is fetched, and not kept yet. */
      readonly filled?: () => void;
    };

/** How long somebody waits for what another is fetching. */
export type Waiting =
  /** Until it is there: what one fails to fetch is tried by one of the others. */
  | 'until found'
  /** Until that one has ended: what one was refused, another may be given, and nobody waits for everyone's turn. */
  | 'for one'
  /** Not at all: the asker is fetching it already, and only lets the others know. */
  | 'not at all';

/**
 * The port behind which processes over one store agree on who of them fetches what it lacks. In one process flights
 * see to that, so a store of one process needs no leases.
 */
export interface Leases {
  /**
   * Waits until `look` finds in the store what is wanted, or until it is the asker's to fetch: nobody else is at it,
   * or who was has not been heard of for the time of a lease. Where leases cannot be had it is always the asker's.
   * When it is, `look` has found nothing since. `look` never fails.
   *
   * @throws the reason of `signal`.
   */
  claim<T>(
    name: string,
    look: () => Promise<T | undefined>,
    waiting: Waiting,
    signal: AbortSignal,
  ): Promise<Claim<T>>;
  /** Resolves when nothing is under way that was begun before anyone waited for it. */
  settled?(): Promise<void>;
}

/** For a process that has its store to itself. */
export const NO_LEASES: Leases = {
  claim: async () => UNLEASED,
};

/** The right to fetch what nobody else is kept from fetching. */
export const UNLEASED = { release: async () => {} } as const;
