/** An abort of one's own beside that of another, until the link is ended: whoever outlives it must not collect listeners. */
export interface AbortLink {
  readonly own: AbortController;
  end(): void;
}

/** Aborts along with `signal`, by its reason; at once if that has aborted. */
export function linkTo(signal: AbortSignal): AbortLink {
  const own = new AbortController();
  const abort = () => own.abort(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  return { own, end: () => signal.removeEventListener('abort', abort) };
}
