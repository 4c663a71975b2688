/** Whether a process takes work: not while it starts, and no more once it drains. */
export class Readiness {
  #state: 'starting' | 'serving' | 'draining' = 'starting';

  get state(): string {
    return this.#state;
  }

  get isServing(): boolean {
    return this.#state === 'serving';
  }

  serve(): void {
    this.#state = 'serving';
  }

  drain(): void {
    this.#state = 'draining';
  }
}
