import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { ReaderEvents } from '../blob/events.ts';
import type { Leases } from '../blob/leases.ts';
import type { Settings } from '../service/config/settings.ts';
import type { HttpClient } from '../service/http-client.ts';
import type { Logger } from '../service/log.ts';
import { Awaited } from './awaited.ts';
import type { Usage } from './cost/usage.ts';
import { ImpatientLeases } from './impatient-leases.ts';
import { StoreLeases } from './lease.ts';
import { S3Bucket } from './s3-bucket.ts';
import { S3Entries } from './s3-entries.ts';
import { S3Leases } from './s3-leases.ts';
import { S3Records } from './s3-records.ts';
import { S3Shelf } from './s3-shelf.ts';
import { S3Store } from './s3-store.ts';
import { WriteTurns, type WriteTurnsParts } from './write-turns.ts';

// Longer than a hiccup of S3, so that holders who live renew in time; shorter than clients wait for a first byte.
const LEASE_MS = 6_000;

/**
 * The store in a bucket, with the leases by which all roots over it fetch each chunk once. Writes of chunks give way to
 * readers.
 *
 * @throws P2PError CONFIG_INVALID when the bucket cannot be used.
 */
export async function openS3(
  settings: NonNullable<Settings['S3']>,
  http: HttpClient,
  log: Logger,
  events: ReaderEvents,
  usage: Pick<Usage, 's3'>,
  giving: Pick<WriteTurnsParts, 'isBusy' | 'mostHeld'>,
): Promise<{
  readonly durable: S3Store;
  readonly entries: S3Entries;
  readonly records: S3Records;
  readonly shelf: S3Shelf;
  readonly verify: S3Store['read'];
  readonly leases: Leases;
  /** Of chunks. */
  readonly writes: WriteTurns;
  readonly giveUp: S3Store['giveUp'];
}> {
  const bucket = await S3Bucket.open(settings, http);
  bucket.countWith((operation, bytes) => usage.s3(operation, bytes));
  const objects = new S3Leases(bucket);
  const shelf = new S3Shelf(bucket);
  const now = () => performance.now();
  const sleep = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal, ref: false });
  const awaited = new Awaited(shelf, now, (cause) => events.failed('lease_failed', { cause }));
  const leases = new StoreLeases({
    objects,
    async isConditional() {
      const isConditional = await objects.isConditional();
      const meaning =
        'S3 does not keep If-None-Match and If-Match: roots that start together fetch a chunk each';
      if (!isConditional) log.warn({ meaning }, 'leases_unavailable');
      return isConditional;
    },
    leaseMs: LEASE_MS,
    now,
    random: Math.random,
    newHolder: randomUUID,
    sleep,
    waits: () => awaited.tell(),
    failed: (fields) => events.failed('lease_failed', fields),
  });
  leases.start();
  const writes = new WriteTurns({
    ...giving,
    isAwaited: () => awaited.isTold(),
    now,
    every(ms, run) {
      const timer = setInterval(run, ms);
      return () => clearInterval(timer);
    },
  });
  const durable = new S3Store(bucket, writes);
  return {
    durable,
    entries: new S3Entries(bucket),
    records: new S3Records(bucket),
    shelf,
    verify: (id) => durable.read(id),
    leases: new ImpatientLeases({ leases, now, sleep }),
    writes,
    giveUp: (key) => durable.giveUp(key),
  };
}
