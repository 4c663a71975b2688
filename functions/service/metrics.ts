import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ReaderEvents, ReaderFailure } from '../blob/events.ts';
import type { Logger } from './log.ts';

/** The counters of one process, and their Prometheus text. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #reads: Counter<'from'>;
  readonly #bytes: Counter<'from'>;
  readonly #failures: Counter<'event'>;
  readonly #checks: Counter<'outcome'>;
  readonly #replies: Counter<'way' | 'status'>;
  readonly #firstByte: Histogram<'cache'>;
  readonly #evictions: Counter;
  readonly #redirects: Counter<'direction'>;
  readonly #hedges: Counter;
  readonly #blamed: Counter<'peer'>;

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#reads = new Counter({
      name: 'p2p_chunk_reads_total',
      help: 'Chunks served, by where they came from',
      labelNames: ['from'],
      registers,
    });
    this.#bytes = new Counter({
      name: 'p2p_served_bytes_total',
      help: 'Bytes of blobs served, by where they came from',
      labelNames: ['from'],
      registers,
    });
    this.#failures = new Counter({
      name: 'p2p_failures_total',
      help: 'Failures by kind, noticed by clients or not',
      labelNames: ['event'],
      registers,
    });
    this.#checks = new Counter({
      name: 'p2p_access_checks_total',
      help: 'Times an origin was asked whether a client may read what is cached, by outcome',
      labelNames: ['outcome'],
      registers,
    });
    this.#replies = new Counter({
      name: 'p2p_replies_total',
      help: 'Replies by way in and status',
      labelNames: ['way', 'status'],
      registers,
    });
    this.#firstByte = new Histogram({
      name: 'p2p_first_byte_seconds',
      help: 'Time to the first byte of a blob',
      labelNames: ['cache'],
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
      registers,
    });
    this.#redirects = new Counter({
      name: 'p2p_redirects_total',
      help: 'Redirects between nodes, sent and followed',
      labelNames: ['direction'],
      registers,
    });
    this.#hedges = new Counter({
      name: 'p2p_hedges_total',
      help: 'Requests for which a second node was asked, for the first was slow',
      registers,
    });
    this.#blamed = new Counter({
      name: 'p2p_blamed_total',
      help: 'Chunks that failed their check, by the node that sent them',
      labelNames: ['peer'],
      registers,
    });
    this.#evictions = new Counter({
      name: 'p2p_evictions_total',
      help: 'Files evicted from the disk cache',
      registers,
    });
  }

  /** Counts a node that was sent on to another, or a 307 of another that was followed. */
  redirected(direction: 'sent' | 'followed'): void {
    this.#redirects.inc({ direction });
  }

  /** Counts a request beside which another node was asked, for it took long to begin. */
  hedged(): void {
    this.#hedges.inc();
  }

  /** Counts a chunk that a node of the cluster has sent wrong. */
  blamed(peer: string): void {
    this.#blamed.inc({ peer });
  }

  /** Shows how many nodes are being given chunks. */
  watchChildren(children: () => number): void {
    this.#gauge(
      'p2p_children',
      'Nodes that were given a chunk in the last minute, each once a chunk',
      children,
    );
  }

  /** Shows how many chunks are being fetched. */
  watchFlights(flights: () => number): void {
    this.#gauge('p2p_flights', 'Chunks being fetched', flights);
  }

  /** Shows how many chunks a root has fetched that its store does not have yet. */
  watchUnwritten(unwritten: () => number): void {
    this.#gauge('p2p_unwritten_chunks', 'Chunks that are fetched and not yet in S3', unwritten);
  }

  /** Shows how many replies wait until others are sent. */
  watchLine(waiting: () => number): void {
    this.#gauge('p2p_waiting_replies', 'Replies to other nodes that wait for their turn', waiting);
  }

  /** Shows what the disk cache holds. */
  watchCache(usage: () => { readonly bytes: number; readonly files: number }): void {
    this.#gauge('p2p_cache_bytes', 'Bytes in the disk cache', () => usage().bytes);
    this.#gauge('p2p_cache_files', 'Files in the disk cache', () => usage().files);
  }

  /** Shows how many agents of its zone this one knows, itself among them. */
  watchMembers(members: () => number): void {
    this.#gauge('p2p_members', 'Agents of the zone that are known, this one among them', members);
  }

  /** Counts one reply. */
  replied(way: string, status: number): void {
    this.#replies.inc({ way, status });
  }

  /** Notes how long a blob's first byte took. */
  firstByte(cache: 'hit' | 'miss', seconds: number): void {
    this.#firstByte.observe({ cache }, seconds);
  }

  evicted(files: number): void {
    this.#evictions.inc(files);
  }

  /** What a reader does, counted here and its failures logged. */
  readerEvents(log: Logger): ReaderEvents {
    return {
      served: (from, bytes, chunks) => {
        this.#bytes.inc({ from }, bytes);
        if (chunks > 0) this.#reads.inc({ from }, chunks);
      },
      checked: (outcome) => this.#checks.inc({ outcome }),
      failed: (event: ReaderFailure, fields) => {
        this.#failures.inc({ event });
        log.warn(fields, event);
      },
    };
  }

  /** The Prometheus text format, and its media type. */
  async render(): Promise<{ readonly type: string; readonly text: string }> {
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #gauge(name: string, help: string, level: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(level());
      },
    });
  }
}
