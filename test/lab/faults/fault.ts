import type { LabBlob } from '../lab.ts';
import type { Stage } from './stage.ts';

/** What goes wrong while all agents' clients read one blob. */
export interface LabFault {
  /** What fails, as a heading. */
  readonly of: string;
  /** How. */
  readonly how: string;
  /** Done when the first client has a quarter of the blob, or before any asks. */
  readonly when?: 'before';
  /** Hosts whose own clients may see it, for their own way in is what fails. */
  readonly spoils?: readonly number[];
  /** Whether nobody who has all the bytes is left: then clients may fail, but never get a wrong byte whole. */
  readonly noSource?: true;
  /** Before it, the last agent has read the blob, and so a root and S3 have it too. */
  readonly warm?: true;
  /** The agent `VICTIM` owns the last chunk of the blob. */
  readonly owned?: true;
  /** Ends by itself so long after; else when every client has ended that it must not cost anything. */
  readonly lastsMs?: number;
  begin(stage: Stage, blob: LabBlob): Promise<void>;
  /** What `Stage.heal` does not undo. */
  end?(stage: Stage): Promise<void>;
}

export const nameOf = ({ of, how }: LabFault): string => `${of}: ${how}`;
