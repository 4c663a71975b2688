import { createHash } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import { MiB } from '../functions/blob/chunk.ts';
import type { LookAhead } from '../functions/blob/look-ahead.ts';
import type { Upstream } from '../functions/blob/upstream.ts';
import type { Bandwidth } from '../functions/service/bandwidth.ts';
import { ChunkSignatures } from '../functions/service/chunk-signature.ts';
import type { ClusterKeys } from '../functions/service/cluster-keys.ts';
import type { Settings } from '../functions/service/config/settings.ts';
import { FanOut } from '../functions/service/fan-out.ts';
import { GrantSignatures } from '../functions/service/grant-signature.ts';
import { HttpClient } from '../functions/service/http-client.ts';
import type { Metrics } from '../functions/service/metrics.ts';
import type { NodeCalls } from '../functions/service/node-calls.ts';
import type { P2PAppParts } from '../functions/service/p2p-app.ts';
import type { Readiness } from '../functions/service/readiness.ts';
import { Referrals, type ReferralsParts } from './entry/referrals.ts';
import type { Members } from './members/member.ts';
import { Health } from './upstream/health.ts';
import { Hedging } from './upstream/hedging.ts';
import { Latecomers } from './upstream/latecomers.ts';
import { Picker } from './upstream/picker.ts';
import type { RootsUpstream } from './upstream/roots.ts';
import { ShownRights } from './upstream/shown-rights.ts';
import { SiblingClient } from './upstream/sibling-client.ts';
import { SiblingsUpstream } from './upstream/siblings.ts';

// A neighbour answers at once, or sends on at once; the longer part is for a chunk that it has to fetch first.
const LIMITS = { connectMs: 1_000, firstByteMs: 5_000, idleMs: 10_000 };
const CONNECTIONS = 64;
// A chunk that a slow host owns comes to all at its pace: with one such host in a hundred, each of whose chunks takes a
// second, all would take 1.7 times as long as without (npm run sim), and do not if they get the next 64 meanwhile. These
// wait on the disk, of which they may take a part.
const BEYOND_LATE = 64;
const BEYOND_LATE_SHARE = 16;

const AHEAD = 8;
const MOST_AHEAD = 16;
// What is ahead lies in memory until it is whole, and then on the disk, of which it may take a part.
const MOST_AHEAD_BYTES = 128 * MiB;
const AHEAD_SHARE = 64;

/** What sharing chunks with siblings takes. */
export interface SharingParts {
  readonly members: Members;
  readonly roots: RootsUpstream;
  /** `scheme://host:port` each. */
  readonly rootUrls: readonly string[];
  /** The origin, where an agent may ask it. */
  readonly origin: Upstream | undefined;
  readonly keys: ClusterKeys;
  readonly calls: NodeCalls;
  /** Whom the certificates of siblings are checked against. */
  readonly trust: SecureContext | undefined;
  /** What is fetched, all together; absent: any. */
  readonly download?: Bandwidth | undefined;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  /** Whether the link takes more than comes now. */
  readonly hasRoom: () => boolean;
  /** The chunk on its way here, where it is. */
  readonly coming: ReferralsParts['coming'];
  readonly now: () => number;
}

/** An agent's part in sharing chunks. */
export interface Sharing {
  /** Siblings, then the roots, then the origin, then siblings that are asked in need alone. */
  readonly upstreams: readonly Upstream[];
  readonly refer: NonNullable<P2PAppParts['refer']>;
  readonly signatures: ChunkSignatures;
  readonly lookAhead: Omit<LookAhead, 'total'>;
  close(): Promise<void>;
}

/** Puts together what an agent shares chunks with its siblings by. */
export function openSharing({ P2PConfig, Limits }: Settings, parts: SharingParts): Sharing {
  const { members, roots, rootUrls, origin, keys, calls, trust, download, metrics, readiness } = parts;
  // For how long something lasts: by a clock that nobody sets.
  const now = () => performance.now();
  const chunkBytes = P2PConfig.CacheConfig.ChunkSize;
  const http = new HttpClient({ ...LIMITS, connections: CONNECTIONS, trust, download });
  const signatures = new ChunkSignatures(keys);
  const rights = new ShownRights(new GrantSignatures(keys, parts.now), members.self.url);
  const health = new Health(now);
  const hedging = new Hedging();
  const siblings = new SiblingsUpstream({
    members,
    picker: new Picker({ self: members.self.url, health, budgetMs: LIMITS.firstByteMs, now }),
    client: new SiblingClient({
      ...{ http, chunkBytes, calls, signatures, rights, health, hedging, now },
      apiKey: P2PConfig.APIKey,
      onBlame: (node) => metrics.blamed(node),
    }),
    health,
    hedging,
    latecomers: new Latecomers(now),
    rootAt: (url) => roots.at(url),
    onRedirect: () => metrics.redirected('followed'),
  });
  const upstreams = [siblings, roots, ...(origin === undefined ? [] : [origin]), siblings.lastResort];
  const isMember = (url: string) => members.byUrl(url) !== undefined;
  const fanOut: FanOut = new FanOut({
    maxChildren: P2PConfig.Fanout,
    sending: () => referrals.sending,
    isMember,
    now,
  });
  metrics.watchChildren(() => fanOut.children);
  const referrals: Referrals = new Referrals({
    fanOut,
    chunkBytes,
    apiKey: P2PConfig.APIKey,
    maxRequests: Limits.MaxConnections,
    isDraining: () => readiness.state === 'draining',
    standIns: (address, index) => siblings.standIns(address, index),
    roots: rootUrls,
    isAwaiting: (node, address, index) => siblings.isAwaiting(node, address, index),
    coming: parts.coming,
    onReferral: () => metrics.redirected('sent'),
  });
  return {
    upstreams,
    refer: (asked) => referrals.of(asked),
    signatures,
    // A chunk that many want takes its way through several nodes: more have to be under way to keep the link full. With too
    // many each comes late, those too that others wait for. In the lab 8 hosts that start one a second, on links of 100 Mbit,
    // had 0.76 to 0.78 of it with eight at most, 0.83 to 0.84 with up to 16 while it had room, and 0.73 with 20 all the time.
    lookAhead: {
      perRead: AHEAD,
      spare: { perRead: spareOf(P2PConfig.CacheConfig), hasRoom: parts.hasRoom },
      beyondLate: Math.min(BEYOND_LATE, P2PConfig.CacheConfig.FileCacheSize / chunkBytes / BEYOND_LATE_SHARE),
      seed: createHash('sha256').update(members.self.id).digest().readUInt32BE(),
      nodes: () => members.list().length,
    },
    close: () => http.close(),
  };
}

function spareOf({ FileCacheSize, ChunkSize }: Settings['P2PConfig']['CacheConfig']): number {
  const most = Math.min(MOST_AHEAD_BYTES, FileCacheSize / AHEAD_SHARE) / ChunkSize;
  return Math.max(AHEAD, Math.min(MOST_AHEAD, Math.floor(most)));
}
