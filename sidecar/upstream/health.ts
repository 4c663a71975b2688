import { ExpiringMap } from '../../functions/service/expiring-map.ts';
import { Breaker } from './breaker.ts';

// One flipped bit is no habit: a short while at first, twice as long each time.
const FIRST_AVOIDED_MS = 10_000;
const MAX_AVOIDED_MS = 600_000;
// Whoever has sent nothing wrong for so long starts anew.
const FORGIVEN_MS = 3_600_000;
const MAX_NODES = 20_000;

interface Node {
  readonly breaker: Breaker;
  wrongs: number;
  avoidedUntilMs: number;
}

/** Which of the siblings are worth asking, by how they did of late. */
export class Health {
  readonly #now: () => number;
  readonly #nodes: ExpiringMap<Node>;

  constructor(now: () => number) {
    this.#now = now;
    this.#nodes = new ExpiringMap({ max: MAX_NODES, ttlMs: FORGIVEN_MS, now });
  }

  /**
   * True when a node may be asked. Where that is to find out whether it is well again, the next one who asks here is
   * told no: only ask for a node that is then used.
   */
  mayAsk(node: string): boolean {
    const known = this.#nodes.get(node);
    if (known === undefined) return true;
    return this.#now() >= known.avoidedUntilMs && !known.breaker.isOpen;
  }

  succeeded(node: string): void {
    this.#nodes.get(node)?.breaker.succeeded();
  }

  failed(node: string): void {
    this.#of(node).breaker.failed();
  }

  /** It sent other bytes than it should: a cache or memory that is broken, or worse. */
  blamed(node: string): void {
    const known = this.#of(node);
    const forMs = Math.min(MAX_AVOIDED_MS, FIRST_AVOIDED_MS * 2 ** known.wrongs);
    known.wrongs += 1;
    known.avoidedUntilMs = this.#now() + forMs;
  }

  #of(node: string): Node {
    const known = this.#nodes.get(node) ?? { breaker: new Breaker(this.#now), wrongs: 0, avoidedUntilMs: 0 };
    // Each failure keeps what is known of it for another hour.
    this.#nodes.set(node, known);
    return known;
  }
}
