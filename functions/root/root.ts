import type Koa from 'koa';
import type { Middleware } from 'koa';
import type { BlobKey, Chunk, ChunkId } from '../blob/chunk.ts';
import { DiskStore } from '../blob/disk/disk.ts';
import { FolderStore } from '../blob/disk/folder.ts';
import type { ReaderEvents } from '../blob/events.ts';
import type { Leases } from '../blob/leases.ts';
import { MemoryStore } from '../blob/memory.ts';
import type { PageCache } from '../blob/page-cache.ts';
import { BlobReader } from '../blob/reader.ts';
import type { ChunkStore } from '../blob/store.ts';
import { MOST_KEEPING } from '../blob/stored-chunks.ts';
import { TieredStore } from '../blob/tiered.ts';
import type { Upstream } from '../blob/upstream.ts';
import { P2PError } from '../protocol/errors.ts';
import { ROOT_AUDIENCE } from '../protocol/token.ts';
import { accessPolicy } from '../service/access-policy.ts';
import { Bandwidth } from '../service/bandwidth.ts';
import { ClusterKeys } from '../service/cluster-keys.ts';
import type { Settings } from '../service/config/settings.ts';
import type { FileSender } from '../service/file-sender.ts';
import { HttpClient } from '../service/http-client.ts';
import type { Logger } from '../service/log.ts';
import type { Metrics } from '../service/metrics.ts';
import { isOfThisHost, NodeGate, type NodeGateParts } from '../service/node-gate.ts';
import { NodeTokens } from '../service/node-tokens.ts';
import { OriginUpstream } from '../service/origin.ts';
import { OriginAccess } from '../service/origin-access.ts';
import { createP2PApp } from '../service/p2p-app.ts';
import type { Readiness } from '../service/readiness.ts';
import { Rules } from '../service/rules.ts';
import { SendTurns } from '../service/send-turns.ts';
import { BlobServer } from '../service/serve-blob.ts';
import { loadTrust } from '../service/trust.ts';
import { Usage } from './cost/usage.ts';
import type { DirectoryEntries } from './directory.ts';
import { FolderEntries } from './folder-entries.ts';
import { FolderRecords } from './folder-records.ts';
import { FolderShelf } from './folder-shelf.ts';
import { Recency } from './recency.ts';
import type { Records } from './records.ts';
import type { Shelf } from './shelf.ts';
import { UsedStore } from './used-store.ts';
import type { WriteTurns, WriteTurnsParts } from './write-turns.ts';

// One origin should not be drowned by one root; its own clients would hardly open more.
const ORIGIN_CONNECTIONS = 64;
// As long as common proxies keep theirs. A fresh connection has small windows at first: of a cold read of 256 MiB by
// loopback that was an eighth.
const ORIGIN_REST_MS = 60_000;
const S3_CONNECTIONS = 64;

// Between two requests of one that reads on a root is not idle: what it began to write then would go on beside the next.
const PAUSE_MS = 300;

/** What the process around a root brings. */
export interface RootParts {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  /** This node's address, as others reach it. */
  readonly self: string;
  /** NODE_EXTRA_CA_CERTS. */
  readonly nodeCa: string | undefined;
  /** Sends cached chunks without reading them, where the system can. */
  readonly files?: FileSender | undefined;
  /** Reads what the kernel has in memory of chunks in a folder, where the system can. */
  readonly pages?: PageCache | undefined;
  /** Largest reply body where a platform limits it, bytes. */
  readonly maxReplyBytes?: number;
  /** Default: what the connection tells. */
  readonly isOfThisHost?: NodeGateParts['isOfThisHost'];
  /** Makes what answers at `/api/v1/`; without it nothing does. */
  readonly api?: (core: RootCore) => Middleware;
}

/** What the API of a root works on. */
export interface RootCore {
  readonly settings: Settings;
  readonly reader: BlobReader;
  readonly blobs: BlobServer;
  /** Where its chunks are kept for good. */
  readonly store: ChunkStore;
  /** Where it keeps who is there. */
  readonly entries: DirectoryEntries;
  /** Where it keeps what else roots tell each other. */
  readonly records: Records;
  /** All that it keeps, to look after. */
  readonly shelf: Shelf;
  /** Reads a chunk out of the store, whatever was known of it before, and does not count as use. */
  readonly verify: (id: ChunkId) => Promise<Chunk | undefined>;
  /** What it has cost so far. */
  readonly usage: Usage;
  /** Drops from memory what is known of an address, and the chunks of a blob. */
  readonly release: (addressKey: string, key: BlobKey) => Promise<void>;
  readonly origins: Origins;
  /** Aborts when it closes. */
  readonly closing: AbortSignal;
  readonly self: string;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** What reading origins goes by. */
export interface Origins {
  readonly http: HttpClient;
  readonly access: OriginAccess;
  readonly rules: Rules;
  readonly upstream: Upstream;
}

/** A root: the reader of origins, over S3 or a folder, behind its Koa app. */
export interface Root {
  readonly app: Koa;
  readonly core: RootCore;
  readonly reader: BlobReader;
  close(): Promise<void>;
}

/**
 * Puts a root together. Nothing listens yet.
 *
 * @throws P2PError CONFIG_INVALID when S3, the folder or the file of ExtraCA cannot be used, or a chunk would not fit a
 * reply.
 */
export async function openRoot(settings: Settings, parts: RootParts): Promise<Root> {
  const { P2PConfig, ProxyConfig, Timeouts, Limits, Origins, ExtraCA } = settings;
  const { CacheConfig, PrefetchConfig } = P2PConfig;
  checkChunkFits(CacheConfig.ChunkSize, parts.maxReplyBytes);
  const limits = { connectMs: Timeouts.Connect, firstByteMs: Timeouts.FirstByte, idleMs: Timeouts.Idle };
  const access = new OriginAccess(Origins);
  const trust = loadTrust(ExtraCA, parts.nodeCa);
  const http = new HttpClient({
    ...limits,
    connections: ORIGIN_CONNECTIONS,
    restMs: ORIGIN_REST_MS,
    lookup: access.lookup,
    trust,
    download: Bandwidth.of(Limits.Download),
  });
  const rules = new Rules(ProxyConfig.Rules);
  const upstream = new OriginUpstream({ http, access, rules, random: Math.random });
  const s3Http = new HttpClient({ ...limits, connections: S3_CONNECTIONS, trust });
  const events = parts.metrics.readerEvents(parts.log);
  const usage = new Usage(Date.now);
  // What S3 does not have yet takes as much memory again as what is cached there.
  const mostHeld = Math.floor(CacheConfig.MemCacheSize / CacheConfig.ChunkSize);
  // A function's replies leave once all is written.
  const isFunction = parts.maxReplyBytes !== undefined;
  const isBusy = () => !isFunction && blobs.idleMs < PAUSE_MS && parts.readiness.state !== 'draining';
  const giving = { isBusy, mostHeld };
  const opened = await openStore(settings, s3Http, parts, events, usage, giving);
  const { durable: bare, leases, writes, giveUp, ...kept } = opened;
  const elapsed = stopwatch();
  const marks = {
    used: new Recency(kept.shelf, 'used', elapsed),
    lent: new Recency(kept.shelf, 'lent', elapsed),
  };
  const durable: ChunkStore = new UsedStore(bare, marks, (bytes) => usage.lent(bytes));
  // What was fetched ahead of a reader is still at hand when it gets there.
  const memory = new MemoryStore({ maxBytes: CacheConfig.MemCacheSize });
  const store = new TieredStore(memory, durable);
  const reader = new BlobReader({
    store,
    upstream,
    access: accessPolicy(settings, parts.log),
    chunkBytes: CacheConfig.ChunkSize,
    lookAhead: PrefetchConfig.PrefetchEnable
      ? { perRead: 4, total: PrefetchConfig.PrefetchThread }
      : { perRead: 0, total: 0 },
    events,
    leases,
    sumsAll: true,
    ...(writes && { mostKeeping: Math.max(MOST_KEEPING, mostHeld) }),
    now: Date.now,
  });
  const keys = ClusterKeys.of(settings.Secret);
  const tokens = keys && new NodeTokens({ keys, self: parts.self, now: Date.now });
  const gate = new NodeGate({ tokens, audience: ROOT_AUDIENCE, isOfThisHost, ...parts });
  const locate = durable.locate?.bind(durable);
  const upload = Bandwidth.of(Limits.Upload);
  const turns = isFunction ? undefined : new SendTurns(() => performance.now());
  const blobs: BlobServer = new BlobServer({
    ...{ reader, upstream, locate, upload },
    // What passes on the replies of a function passes on nothing before them; and it has a call to itself.
    ...(turns && { tellsOfWork: true, turns }),
    now: Date.now,
    ...parts,
  });
  parts.metrics.watchFlights(() => reader.flights);
  if (writes !== undefined) parts.metrics.watchUnwritten(() => writes.count);
  if (turns !== undefined) parts.metrics.watchLine(() => turns.waiting);
  const closed = new AbortController();
  const closing = closed.signal;
  const origins = { http, access, rules, upstream };
  const release: RootCore['release'] = async (addressKey, key) => {
    reader.release(addressKey);
    giveUp?.(key);
    await memory.remove(key);
  };
  const core = {
    settings,
    reader,
    blobs,
    store: durable,
    origins,
    closing,
    release,
    usage,
    ...kept,
    ...parts,
  };
  const api = parts.api?.(core);
  return {
    app: createP2PApp({ apiKey: P2PConfig.APIKey, gate, blobs, rules, ...parts, api }),
    core,
    reader,
    async close() {
      closed.abort();
      await reader.settled();
      await usage.flush(kept.records, true);
      await reader.close();
      await http.close();
      await s3Http.close();
    },
  };
}

/** Milliseconds since now, by whichever clock has got further: a function's may stand still while it is frozen. */
function stopwatch(): () => number {
  const startedMs = Date.now();
  const startedAt = performance.now();
  return () => Math.max(Date.now() - startedMs, performance.now() - startedAt);
}

function checkChunkFits(chunkBytes: number, maxReplyBytes = Number.POSITIVE_INFINITY): void {
  if (chunkBytes <= maxReplyBytes) return;
  const message = `P2PConfig.CacheConfig.ChunkSize: a chunk of ${chunkBytes} bytes does not fit a reply of this platform; choose ${maxReplyBytes} or less`;
  throw new P2PError('CONFIG_INVALID', message);
}

interface OpenedStore {
  readonly durable: ChunkStore;
  readonly entries: DirectoryEntries;
  readonly records: Records;
  readonly shelf: Shelf;
  readonly verify: RootCore['verify'];
  /** A folder belongs to one root. */
  readonly leases?: Leases;
  /** Of chunks, where they go over a link. */
  readonly writes?: WriteTurns;
  /** Does not write what waits for its turn under a key. */
  readonly giveUp?: (key: BlobKey) => void;
}

async function openStore(
  { S3, P2PConfig }: Settings,
  http: HttpClient,
  { log, metrics, pages }: Pick<RootParts, 'log' | 'metrics' | 'pages'>,
  events: ReaderEvents,
  usage: Usage,
  giving: Pick<WriteTurnsParts, 'isBusy' | 'mostHeld'>,
): Promise<OpenedStore> {
  if (S3 === undefined) {
    const { FileCachePath, FileCacheSize, MinFree } = P2PConfig.CacheConfig;
    const options = {
      root: FileCachePath,
      maxBytes: FileCacheSize,
      minFreeBytes: MinFree,
      now: Date.now,
      onEvict: (files: number) => metrics.evicted(files),
      pages,
    };
    const durable = await DiskStore.open(options).catch((cause: Error) => {
      const message = `P2PConfig.CacheConfig.FileCachePath: ${cause.message}; choose a folder that can be written`;
      throw new P2PError('CONFIG_INVALID', message, { cause });
    });
    durable.scanned.catch((cause: unknown) => log.warn({ cause }, 'cache_scan_failed'));
    metrics.watchCache(() => durable.usage);
    return {
      durable,
      entries: new FolderEntries(FileCachePath),
      records: new FolderRecords(FileCachePath),
      shelf: new FolderShelf(FileCachePath, durable, Date.now),
      // One that has not seen the files before.
      verify: async (id) => (await FolderStore.open(FileCachePath)).read(id),
    };
  }
  // The SDK takes 70 ms to load: a root over a folder does without.
  const { openS3 } = await import('./open-s3.ts');
  return openS3(S3, http, log, events, usage, giving);
}
