/**
 * By whom content was read to whom its origin gives it without knowing them: by someone without any credential
 * (`bare`), or by someone with a token that names nobody (`token`).
 */
export type Anonymity = 'bare' | 'token';

/** A right to read, and for how long it holds without asking again. */
export interface Grant {
  /** Milliseconds since the epoch. */
  readonly untilMs: number;
  /** Set when everyone has this right. */
  readonly publicBy: Anonymity | undefined;
}

// Where nothing is checked a right has no end.
const MAX_SECONDS = 86_400;

/** `max-age=300`, and `; public=bare` for what everyone may read. Relative, for clocks differ. */
export function formatGrant({ untilMs, publicBy }: Grant, nowMs: number): string {
  const seconds = Math.min(MAX_SECONDS, Math.max(0, Math.floor((untilMs - nowMs) / 1000)));
  return `max-age=${seconds}${publicBy === undefined ? '' : `; public=${publicBy}`}`;
}

/** What another node says of a right, for a reply that came at `nowMs`; `undefined` when it says nothing. */
export function parseGrant(text: string | undefined, nowMs: number): Grant | undefined {
  const [, seconds, publicBy] = /^max-age=(\d{1,9})(?:; public=(bare|token))?$/.exec(text ?? '') ?? [];
  if (seconds === undefined) return undefined;
  return { untilMs: nowMs + Number(seconds) * 1000, publicBy: publicBy as Anonymity | undefined };
}
