/** The chunks of one blob, as they are kept. */
export interface KeptBlob {
  readonly folder: string;
  /** Of all that is in the folder. */
  readonly bytes: number;
  /** How long ago anything was put there, a mark of use too. */
  readonly idleMs: number;
}

/** What is known of an address. */
export interface KeptFacts {
  readonly folder: string;
  readonly bytes: number;
  readonly ageMs: number;
  /** The folder of the blob they are of; empty when they cannot be read. */
  readonly of: string;
  /** Where it came from, where that is kept. */
  readonly source: string | undefined;
  readonly digest: string | undefined;
}

/** What is known of a right. */
export interface KeptRight {
  readonly folder: string;
  readonly bytes: number;
  readonly ageMs: number;
}

/** All that a root keeps, without the bytes. */
export interface Inventory {
  readonly blobs: KeptBlob[];
  readonly facts: KeptFacts[];
  readonly rights: KeptRight[];
}

export const emptyInventory = (): Inventory => ({ blobs: [], facts: [], rights: [] });

/** Bytes of all of it. */
export const bytesOf = ({ blobs, facts, rights }: Inventory): number =>
  [blobs, facts, rights].flat().reduce((sum, { bytes }) => sum + bytes, 0);
