import type { Server } from 'node:http';
import type Koa from 'koa';
import type { Middleware } from 'koa';
import { Catalog } from '../functions/blob/catalog.ts';
import { DiskStore } from '../functions/blob/disk/disk.ts';
import { MemoryStore } from '../functions/blob/memory.ts';
import type { PageCache } from '../functions/blob/page-cache.ts';
import { BlobReader } from '../functions/blob/reader.ts';
import type { ChunkStore } from '../functions/blob/store.ts';
import { TieredStore } from '../functions/blob/tiered.ts';
import { audienceOf } from '../functions/protocol/token.ts';
import { accessPolicy } from '../functions/service/access-policy.ts';
import { Bandwidth } from '../functions/service/bandwidth.ts';
import { ClusterKeys } from '../functions/service/cluster-keys.ts';
import type { Settings } from '../functions/service/config/settings.ts';
import type { FileSender } from '../functions/service/file-sender.ts';
import { GrantSignatures } from '../functions/service/grant-signature.ts';
import { HttpClient } from '../functions/service/http-client.ts';
import type { Logger } from '../functions/service/log.ts';
import type { Metrics } from '../functions/service/metrics.ts';
import { NodeCalls } from '../functions/service/node-calls.ts';
import { isOfThisHost, NodeGate } from '../functions/service/node-gate.ts';
import { NodeTokens } from '../functions/service/node-tokens.ts';
import { OriginUpstream } from '../functions/service/origin.ts';
import { OriginAccess } from '../functions/service/origin-access.ts';
import { createP2PApp } from '../functions/service/p2p-app.ts';
import type { Readiness } from '../functions/service/readiness.ts';
import { Registries } from '../functions/service/registries.ts';
import { Rules } from '../functions/service/rules.ts';
import { BlobServer } from '../functions/service/serve-blob.ts';
import { Traces } from '../functions/service/traces.ts';
import { loadTrust } from '../functions/service/trust.ts';
import { agentApi } from './agent-api.ts';
import { answerConnect } from './entry/connect.ts';
import { createForwardApp } from './entry/forward.ts';
import { Gate } from './entry/gate.ts';
import { Interception } from './entry/intercept.ts';
import { Mirror } from './entry/mirror.ts';
import { Outages } from './entry/outages.ts';
import { P2PPort } from './entry/p2p-port.ts';
import { PassClient } from './entry/pass-client.ts';
import { Reverse } from './entry/reverse.ts';
import { Tags } from './entry/tags.ts';
import { Terminated } from './entry/terminated.ts';
import { openMembers } from './members/open-members.ts';
import { REAL_PACE } from './members/pace.ts';
import { openSharing } from './sharing.ts';
import { Leaves } from './tls/leaf.ts';
import { clusterTrust, type NodeTls } from './tls/node-tls.ts';
import { prepareInterception } from './tls/prepare.ts';
import { FallbackUpstream } from './upstream/fallback.ts';
import { HedgedUpstream } from './upstream/hedged.ts';
import { PATIENCE } from './upstream/line.ts';
import { rootUrlsOf } from './upstream/root-urls.ts';
import { RootsUpstream } from './upstream/roots.ts';
import { Vigil } from './upstream/vigil.ts';

// As long as OpenSSL's own clients wait; a phone on a bad link takes some seconds.
const HANDSHAKE_MS = 10_000;
const ORIGIN_CONNECTIONS = 64;
// As long as common proxies keep theirs. A fresh connection has small windows at first: of a cold read of 256 MiB by
// loopback that was an eighth.
const ORIGIN_REST_MS = 60_000;
const ROOT_CONNECTIONS = 64;
// For how long something lasts: by a clock that nobody sets.
const elapsed = () => performance.now();

/** What the process around an agent brings. */
export interface AgentParts {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  /** This node's address, as others reach it. */
  readonly self: string;
  /** NODE_EXTRA_CA_CERTS. */
  readonly nodeCa: string | undefined;
  /** Sends cached chunks without reading them, where the system can. */
  readonly files: FileSender | undefined;
  /** Reads what the kernel has in memory of cached chunks, where the system can. */
  readonly pages: PageCache | undefined;
  /** Where the P2P ports of the cluster speak TLS. */
  readonly tls: NodeTls | undefined;
}

/** An agent: its two Koa apps over one reader. */
export interface Agent {
  readonly p2p: Koa;
  readonly proxy: Koa;
  /** What answers at `/api/v1/` of the admin port. */
  readonly api: Middleware;
  /** Makes the server of the proxy app answer CONNECT too, and read what is inside intercepted connections. */
  attachTo(server: Server): void;
  /** True when siblings that ask while it drains are sent on to others. */
  readonly handsOver: boolean;
  /** Tells the others that this agent goes; what it has begun goes on. */
  leave(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Puts an agent together. Nothing listens yet. A disk that cannot be used only turns the disk cache off.
 *
 * @throws P2PError CONFIG_INVALID when a file of ExtraCA or CertConfig is not what it should be.
 */
export async function openAgent(settings: Settings, parts: AgentParts): Promise<Agent> {
  const { P2PConfig, ProxyConfig, Timeouts, Limits, Origins, OriginFallback, ExtraCA } = settings;
  const { CacheConfig, PrefetchConfig } = P2PConfig;
  const { log, metrics, self } = parts;
  // What stands in Reverse was named on purpose.
  const fronted = ProxyConfig.Reverse.map(({ Origin }) => new URL(Origin).origin);
  const access = new OriginAccess([...Origins, ...fronted]);
  const trust = loadTrust(ExtraCA, parts.nodeCa);
  const rootTrust = loadTrust(ExtraCA, parts.nodeCa, parts.tls);
  const prepared = await prepareInterception(settings, log, Date.now());
  const limits = { connectMs: Timeouts.Connect, firstByteMs: Timeouts.FirstByte, idleMs: Timeouts.Idle };
  // A root needs its own time for the origin, and for asking it again.
  const rootLimits = { ...limits, firstByteMs: 2 * limits.firstByteMs, idleMs: 2 * limits.idleMs };
  const download = Bandwidth.of(Limits.Download);
  const originHttp = new HttpClient({
    ...limits,
    connections: ORIGIN_CONNECTIONS,
    restMs: ORIGIN_REST_MS,
    lookup: access.lookup,
    trust,
    download,
  });
  const rootHttp = new HttpClient({
    ...rootLimits,
    connections: ROOT_CONNECTIONS,
    trust: rootTrust,
    download,
  });
  const passing = new PassClient({ access, connectMs: limits.connectMs, trust });
  const keys = ClusterKeys.of(settings.Secret);
  const tokens = keys && new NodeTokens({ keys, self, now: Date.now });
  const calls = tokens && new NodeCalls(tokens);
  const nodeGate = new NodeGate({
    tokens,
    grants: keys && new GrantSignatures(keys, Date.now),
    audience: audienceOf(self),
    isOfThisHost,
  });
  const rootUrls = rootUrlsOf(P2PConfig);
  const members = await openMembers(settings, {
    address: self,
    roots: rootUrls,
    http: rootHttp,
    calls,
    log,
    pace: REAL_PACE,
  });
  metrics.watchMembers(() => members.list().length);
  const roots = new RootsUpstream({
    roots: rootUrls,
    apiKey: P2PConfig.APIKey,
    http: rootHttp,
    calls,
    chunkBytes: CacheConfig.ChunkSize,
    hasFallback: OriginFallback,
    now: elapsed,
  });
  const rules = new Rules(ProxyConfig.Rules);
  const origin = new OriginUpstream({ http: originHttp, access, rules, random: Math.random });
  const fallback = OriginFallback ? origin : undefined;
  const vigil = Vigil.start(() => download?.isHolding ?? false);
  // Without a Secret nothing proves what siblings send.
  const sharing =
    keys &&
    calls &&
    openSharing(settings, {
      ...{ members, roots, rootUrls, origin: fallback, keys, calls, metrics, download },
      trust: parts.tls && clusterTrust(parts.tls),
      readiness: parts.readiness,
      hasRoom: () => vigil.hasRoom,
      coming: (address, index) => reader.coming(address, index),
      now: Date.now,
    });
  const upstream = new HedgedUpstream({
    upstream: new FallbackUpstream(sharing?.upstreams ?? (fallback ? [roots, fallback] : [roots])),
    vigil,
    patience: PATIENCE,
    now: elapsed,
    onHedge: () => metrics.hedged(),
  });
  const store = await openCache(CacheConfig, parts);
  const events = metrics.readerEvents(log);
  const reader: BlobReader = new BlobReader({
    store,
    upstream,
    access: accessPolicy(settings, log),
    chunkBytes: CacheConfig.ChunkSize,
    lookAhead: {
      total: PrefetchConfig.PrefetchThread,
      ...(PrefetchConfig.PrefetchEnable ? (sharing?.lookAhead ?? { perRead: 4 }) : { perRead: 0 }),
    },
    events,
    // Siblings check by them what they get from each other.
    sumsAll: settings.Secret.length > 0,
    now: Date.now,
  });
  metrics.watchFlights(() => reader.flights);
  const traces = new Traces(() => performance.timeOrigin + performance.now());
  const blobs = new BlobServer({
    reader,
    traces,
    upstream,
    self,
    signatures: sharing?.signatures,
    upload: Bandwidth.of(Limits.Upload),
    files: parts.files,
    metrics,
    now: Date.now,
  });
  const outages = new Outages(Date.now);
  const mirror = new Mirror({
    registries: new Registries(settings.Mirror, access),
    blobs,
    tags: new Tags({
      upstream,
      catalog: new Catalog(store, events),
      access: reader.access,
      outages,
      maxStaleMs: settings.Tags.MaxStale,
      patienceMs: limits.firstByteMs,
      self,
      log,
      now: Date.now,
    }),
    outages,
    patienceMs: limits.firstByteMs,
    upstream,
    rules,
    self,
  });
  const gate = new Gate({
    blobs,
    rules,
    passing: { client: passing, access, reader },
    redirectTo: ProxyConfig.Proxy === 'redirect' ? new P2PPort(P2PConfig) : undefined,
    self,
  });
  const reverse = new Reverse(ProxyConfig.Reverse);
  const terminated = new Terminated();
  return {
    p2p: createP2PApp({
      apiKey: P2PConfig.APIKey,
      gate: nodeGate,
      blobs,
      rules,
      ...parts,
      ...(sharing && { refer: sharing.refer }),
    }),
    proxy: createForwardApp({ gate, mirror, reverse, terminated, ...parts }),
    api: agentApi(settings, { members, traces: { traces, reader, rules } }),
    handsOver: sharing !== undefined,
    attachTo(server) {
      const interception =
        prepared &&
        new Interception({
          ...prepared,
          leaves: new Leaves({ authority: prepared.authority, now: Date.now }),
          terminated,
          serve: (connection) => server.emit('connection', connection),
          handshakeMs: HANDSHAKE_MS,
          log,
          now: Date.now,
        });
      const connect = { access, rules, interception, connectMs: limits.connectMs, log };
      server.on('connect', (request, client, head) => answerConnect(connect, request, client, head));
    },
    leave: () => members.close(),
    async close() {
      await members.close();
      await reader.close();
      passing.close();
      await Promise.all([originHttp.close(), rootHttp.close(), sharing?.close()]);
    },
  };
}

async function openCache(
  config: Settings['P2PConfig']['CacheConfig'],
  parts: AgentParts,
): Promise<ChunkStore> {
  const { FileCachePath, FileCacheSize, MemCacheSize, MinFree } = config;
  const memory = new MemoryStore({ maxBytes: MemCacheSize });
  try {
    const disk = await DiskStore.open({
      root: FileCachePath,
      maxBytes: FileCacheSize,
      minFreeBytes: MinFree,
      now: Date.now,
      isOnlyWriter: true,
      onEvict: (files) => parts.metrics.evicted(files),
      pages: parts.pages,
    });
    disk.scanned.then(
      () => parts.log.info({ ...disk.usage }, 'cache_scanned'),
      (cause: unknown) => parts.log.warn({ cause }, 'cache_scan_failed'),
    );
    parts.metrics.watchCache(() => disk.usage);
    return new TieredStore(memory, disk);
  } catch (cause) {
    parts.log.error({ path: FileCachePath, cause }, 'disk_cache_off');
    return memory;
  }
}
