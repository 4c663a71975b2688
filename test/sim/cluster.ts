import type { Member } from '../../sidecar/members/member.ts';
import { Owners } from '../../sidecar/upstream/owner.ts';
import { RANKED } from '../../sidecar/upstream/picker.ts';
import { memberOf } from '../support/members.ts';
import { Events } from './events.ts';
import { Fetch, type Surroundings } from './fetch.ts';
import { type AgentSettings, createHosts, type Host } from './host.ts';
import { type Link, Network, type Receipt } from './network.ts';
import type { Delivery } from './reader.ts';
import { Root } from './root.ts';

/** What a cluster is made of. */
export interface ClusterParts {
  readonly links: readonly Link[];
  /** Of the roots together, of the origin, and of S3. */
  readonly rootLink: Link;
  readonly originLink: Link;
  readonly s3Link: Link;
  readonly chunks: number;
  readonly chunkBytes: number;
  readonly stepMs: number;
  /** One way, on average. */
  readonly latencyMs: number;
  readonly agents: AgentSettings;
  readonly random: () => number;
}

const KEY = 'sha256:simulated';

/** Hosts, roots and an origin on a network, in which hosts share chunks as our agents do. */
export class Cluster implements Delivery, Surroundings {
  readonly events = new Events();
  readonly network: Network;
  readonly hosts: readonly Host[];
  readonly root: Root;
  redirects = 0;
  hedges = 0;
  readonly #parts: ClusterParts;
  readonly #byUrl: ReadonlyMap<string, Host>;
  readonly #owners: Owners;
  readonly #ranked: (readonly Member[])[] = [];

  constructor(parts: ClusterParts) {
    const { links, rootLink, originLink, s3Link, chunks, chunkBytes, stepMs, agents } = parts;
    this.#parts = parts;
    this.network = new Network([...links, rootLink, originLink, s3Link], chunkBytes, stepMs);
    const members = links.map((_, node) => memberOf(node));
    this.hosts = createHosts(
      members,
      chunks,
      agents,
      (node) => this.network.sending[node] as number,
      () => this.events.nowMs,
    );
    this.#byUrl = new Map(this.hosts.map((host) => [host.member.url, host]));
    // All have the same view: one order of a chunk does for all.
    this.#owners = new Owners(members);
    const node = links.length;
    this.root = new Root(this.network, { node, origin: node + 1, s3: node + 2, chunks });
  }

  fetch(node: number, chunk: number, landed: () => void): void {
    const host = this.hosts[node] as Host;
    // Fetched for another already.
    if (host.has[chunk] === 1) {
      this.events.after(0, landed);
      return;
    }
    if (!host.coming.has(chunk)) new Fetch(this, host, chunk, []).next();
    host.coming.get(chunk)?.waiting.push(landed);
  }

  ranked(chunk: number): readonly Member[] {
    this.#ranked[chunk] ??= this.#owners.ranked(KEY, chunk, RANKED);
    return this.#ranked[chunk];
  }

  hostOf(url: string): Host {
    return this.#byUrl.get(url) as Host;
  }

  /** Half to one and a half times the average. */
  latencyMs(): number {
    return this.#parts.latencyMs * (0.5 + this.#parts.random());
  }

  sourceAt(host: Host, chunk: number, via: readonly string[]): Receipt | undefined {
    if (host.has[chunk] === 1) return undefined;
    if (!host.coming.has(chunk)) new Fetch(this, host, chunk, via).next();
    return host.coming.get(chunk)?.receipt;
  }

  /** Ends a host; those who read from it notice at once. */
  crash(host: Host): void {
    host.isUp = false;
    this.network.cut(host.node);
  }
}
