import type { ServerResponse } from 'node:http';

// Well within what silence is borne.
const EVERY_MS = 500;

/**
 * Tells a node that waits for a reply that it is being worked on, by interim replies (102).
 * Who is asked for a chunk has it to give as soon as somebody else gives it: without a word, those that wait could not
 * tell that from a node that has died, and would all ask elsewhere.
 */
export class WaitingNotice {
  readonly #response: ServerResponse;
  #saidMs = Number.NEGATIVE_INFINITY;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** Says it, unless it was just said or the reply has begun. */
  say(): void {
    const nowMs = performance.now();
    if (nowMs - this.#saidMs < EVERY_MS) return;
    this.#saidMs = nowMs;
    const { socket, headersSent, destroyed } = this.#response;
    // Behind another reply, or where there is no connection, it would come to nobody.
    if (socket !== null && !headersSent && !destroyed) this.#response.writeProcessing();
  }

  /** Says it now and then until the reply begins or is over. */
  keepSaying(): void {
    const timer = setInterval(() => {
      if (this.#response.headersSent || this.#response.destroyed) clearInterval(timer);
      else this.say();
    }, EVERY_MS);
    this.#response.once('close', () => clearInterval(timer));
  }
}
