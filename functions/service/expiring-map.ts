/**
 * A map whose entries end a fixed time after they were last set, and the oldest before that when there are too many.
 * Unlike a cache that is made for its full size, an empty one costs nothing.
 */
export class ExpiringMap<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly untilMs: number }>();
  readonly #options: ExpiringMapOptions;

  constructor(options: ExpiringMapOptions) {
    this.#options = options;
  }

  get size(): number {
    this.#expire();
    return this.#entries.size;
  }

  get(name: string): V | undefined {
    this.#expire();
    return this.#entries.get(name)?.value;
  }

  set(name: string, value: V): void {
    const { max, ttlMs, now } = this.#options;
    // Last in order, which is therefore that in which entries end.
    this.#entries.delete(name);
    this.#entries.set(name, { value, untilMs: now() + ttlMs });
    if (this.#entries.size > max) this.#entries.delete(this.#oldest() ?? '');
  }

  delete(name: string): void {
    this.#entries.delete(name);
  }

  names(): Iterable<string> {
    return this.#entries.keys();
  }

  *values(): Iterable<V> {
    this.#expire();
    for (const { value } of this.#entries.values()) yield value;
  }

  #expire(): void {
    const nowMs = this.#options.now();
    for (const [name, { untilMs }] of this.#entries) {
      if (untilMs > nowMs) return;
      this.#entries.delete(name);
    }
  }

  #oldest(): string | undefined {
    return this.#entries.keys().next().value;
  }
}

/** What bounds it. */
interface ExpiringMapOptions {
  readonly max: number;
  readonly ttlMs: number;
  readonly now: () => number;
}
