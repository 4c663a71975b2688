import { type InLine, waitInLine } from './wait-in-line.ts';

// Who begins later in a blob waits for so many that begin earlier and came later: others may come for ever.
const PASSED_BY = 8;

/** A part of a blob that somebody waits for. */
export interface BlobPart {
  /** Names the blob. */
  readonly blob: string;
  /** Where in it the part begins, bytes. */
  readonly start: number;
}

interface Place extends BlobPart {
  passedBy: number;
}

/**
 * Those who wait for parts of blobs, in the order in which they came; but of one blob what begins first in it goes first,
 * for all read it from its start.
 */
export class BlobLine {
  readonly #waiting: InLine<Place>[] = [];

  /** Those in line. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Resolves when it is called. @throws P2PError CLIENT_GONE on abort, having left the line; it names `what`. */
  wait({ blob, start }: BlobPart, what: string, signal: AbortSignal): Promise<void> {
    return waitInLine(this.#waiting, { blob, start, passedBy: 0 }, what, signal);
  }

  /** Calls who is next, who is in line no more; nothing where nobody is. */
  callNext(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const next = first.passedBy < PASSED_BY ? this.#earliestOf(first) : first;
    if (next !== first) first.passedBy += 1;
    // They change places, so that no blob is ahead of others for ever.
    this.#waiting[this.#waiting.indexOf(next)] = first;
    this.#waiting.shift();
    next.call();
  }

  /** Of those in line for its blob, the one that begins first. */
  #earliestOf(first: InLine<Place>): InLine<Place> {
    let earliest = first;
    for (const other of this.#waiting)
      if (other.blob === first.blob && other.start < earliest.start) earliest = other;
    return earliest;
  }
}
