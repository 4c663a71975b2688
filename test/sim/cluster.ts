import type { Member } from '../../sidecar/members/member.ts';
import { Owners } from '../../sidecar/upstream/owner.ts';
import { RANKED } from '../../sidecar/upstream/picker.ts';
import { memberOf } from '../support/members.ts';
import { Events } from './events.ts';
import { Fetch, type Surroundings } from './fetch.ts';
import { type AgentSettings, createHost, type Host } from './host.ts';
import { type Link, Network } from './network.ts';
import type { Delivery } from './reader.ts';
import { Root } from './root.ts';

/** What a cluster is made of. */
export interface ClusterParts {
  readonly links: readonly Link[];
  /** Of the roots together, and of the origin. */
  readonly rootLink: Link;
  readonly originLink: Link;
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
    const { links, rootLink, originLink, chunks, chunkBytes, stepMs, agents } = parts;
    this.#parts = parts;
    this.network = new Network({
      ...{ chunks, chunkBytes, stepMs },
      links: [...links, rootLink, originLink],
    });
    const members = links.map((_, node) => memberOf(node));
    const knowledge = {
      isMember: (url: string) => this.#byUrl.has(url),
      sending: (node: number) => this.network.sending[node] as number,
      now: () => this.events.nowMs,
    };
    this.hosts = members.map((member, node) => createHost(member, node, agents, knowledge));
    this.#byUrl = new Map(this.hosts.map((host) => [host.member.url, host]));
    // All have the same view: one order of a chunk does for all.
    this.#owners = new Owners(members);
    const node = links.length;
    this.root = new Root(this.network, { node, origin: node + 1, chunks });
  }

  fetch(node: number, chunk: number, landed: () => void): void {
    // Fetched for another already.
    if (!this.seek(this.hosts[node] as Host, chunk, [])) this.events.after(0, landed);
    else this.hosts[node]?.coming.get(chunk)?.waiting.push(landed);
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

  seek(host: Host, chunk: number, via: readonly string[]): boolean {
    if (this.network.isWhole(host.node, chunk)) return false;
    if (!host.coming.has(chunk)) new Fetch(this, host, chunk, via).next();
    return true;
  }

  /** Has all hosts forget to whom they gave the chunks before this one: nobody will ask any more. */
  forgetBefore(chunk: number): void {
    for (const host of this.hosts) host.forgetBefore(chunk);
  }

  /** Ends a host; those who read from it notice at once. */
  crash(host: Host): void {
    host.isUp = false;
    this.network.cut(host.node);
  }
}
