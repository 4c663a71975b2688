import { isIPv6 } from 'node:net';
import type { Logger } from '../../functions/service/log.ts';
import type { Member } from './member.ts';
import { around, type Pace } from './pace.ts';
import type { NameResolver } from './resolver.ts';
import { type DnsName, memberAt } from './sibling-names.ts';

// Often enough that a newcomer is found in seconds; whoever caches DNS on the host answers most of it.
const RESOLVE_MS = 10_000;
// A server may leave some out, or answer with another part of many each time.
const FORGET_MS = 60_000;

/** What finding siblings by DNS takes. */
export interface DnsSiblingsParts {
  readonly names: readonly DnsName[];
  readonly resolver: NameResolver;
  readonly scheme: 'http:' | 'https:';
  /** Of the node itself: what is near has one name. */
  readonly zone: string;
  readonly found: (members: readonly Member[]) => void;
  readonly pace: Pace;
  readonly log: Logger;
}

/**
 * Siblings by names that are resolved again and again. One that a name had is kept for a minute more, and all of them
 * for as long as the name cannot be resolved.
 */
export class DnsSiblings {
  readonly #parts: DnsSiblingsParts;
  /** For each name its URLs, and when each was last seen. */
  readonly #seen: readonly Map<string, number>[];
  readonly #failing = new Set<number>();

  constructor(parts: DnsSiblingsParts) {
    this.#parts = parts;
    this.#seen = parts.names.map(() => new Map());
  }

  /** Resolves all names until the signal; fulfils then. */
  async run(signal: AbortSignal): Promise<void> {
    const { pace, names } = this.#parts;
    const ended = new Promise<void>((resolve) =>
      signal.addEventListener('abort', () => resolve(), { once: true }),
    );
    while (!signal.aborted) {
      // A server that does not answer holds nobody up who wants to end.
      await Promise.race([Promise.all(names.map((_, at) => this.#resolve(at))), ended]);
      if (signal.aborted) return;
      this.#parts.found(
        [...new Set(this.#seen.flatMap((urls) => [...urls.keys()]))].map((url) => this.#member(url)),
      );
      await pace.sleep(around(RESOLVE_MS, pace.random), signal);
    }
  }

  #member(url: string): Member {
    return memberAt(url, this.#parts.zone);
  }

  async #resolve(at: number): Promise<void> {
    const { names, log, pace } = this.#parts;
    const name = names[at];
    const seen = this.#seen[at];
    if (name === undefined || seen === undefined) return;
    try {
      const urls = await this.#urlsOf(name);
      const nowMs = pace.now();
      for (const url of urls) seen.set(url, nowMs);
      for (const [url, seenMs] of seen) if (nowMs - seenMs >= FORGET_MS) seen.delete(url);
      this.#failing.delete(at);
    } catch (cause) {
      // Once for each outage.
      if (!this.#failing.has(at)) log.warn({ ...name, kept: seen.size, cause }, 'siblings_unresolved');
      this.#failing.add(at);
    }
  }

  async #urlsOf(name: DnsName): Promise<readonly string[]> {
    const { resolver } = this.#parts;
    const services =
      name.kind === 'services' ? await resolver.services(name.name) : [{ host: name.host, port: name.port }];
    const found = await Promise.all(
      services.map(async ({ host, port }) =>
        (await resolver.addresses(host)).map((address) => this.#urlOf(address, port)),
      ),
    );
    return found.flat();
  }

  #urlOf(address: string, port: number): string {
    return new URL(`${this.#parts.scheme}//${isIPv6(address) ? `[${address}]` : address}:${port}`).origin;
  }
}
