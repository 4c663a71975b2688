import { addressKey } from '../../functions/blob/identity.ts';
import type {
  Giver,
  Reply,
  ShownRight,
  Source,
  Upstream,
  UpstreamQuery,
  Wanted,
} from '../../functions/blob/upstream.ts';
import type { Address } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import { MAX_REDIRECTS } from '../../functions/service/fan-out.ts';
import type { Member, Members } from '../members/member.ts';
import type { Health } from './health.ts';
import type { HedgeableSource } from './hedged.ts';
import type { Hedging } from './hedging.ts';
import type { Latecomers } from './latecomers.ts';
import { Owners } from './owner.ts';
import { type Picker, RANKED, RANKED_LAST } from './picker.ts';
import type { SiblingClient } from './sibling-client.ts';

/** What asking siblings takes. */
export interface SiblingsParts {
  readonly members: Members;
  readonly picker: Picker;
  readonly client: SiblingClient;
  readonly health: Health;
  readonly hedging: Hedging;
  readonly latecomers: Latecomers;
  /** The root that a Location leads to, to be asked as ever; `undefined` when it is none of the configured ones. */
  readonly rootAt: (url: string) => Source | undefined;
  /** Told of each redirect that is followed. */
  readonly onRedirect: () => void;
}

/** What one search for a chunk has come to. */
interface Search {
  readonly address: Address;
  readonly index: number;
  /** Nodes that have asked for it before this one. */
  readonly via: readonly string[];
  readonly right: ShownRight | undefined;
  /** True when they are asked for what they have alone: roots and origin have failed already. */
  readonly isLast: boolean;
  /** Siblings that were asked and are not worth asking again. */
  readonly tried: Set<string>;
}

// Nodes refuse chains of more than eight, their own place included.
const MAX_CHAIN = 8;
// Whoever is getting a chunk from one that can have it says so every half second.
const SILENT_MS = 3_000;
// Whoever we are sent on to asks none of these in its turn.
const TOLD_REFERRERS = 2;

/** The agents of the zone: a chunk is asked for at its owner, and followed to whoever has it from there. */
export class SiblingsUpstream implements Upstream {
  /** Those that are asked only once all else has failed. */
  readonly lastResort: Upstream;
  readonly #parts: SiblingsParts;
  #ranking: { readonly list: readonly Member[]; readonly owners: Owners } | undefined;
  /** Nodes that were asked for a chunk and have not begun to answer, by chunk and node. */
  readonly #awaited = new Map<string, number>();

  constructor(parts: SiblingsParts) {
    this.#parts = parts;
    this.lastResort = { sources: (address, wanted) => this.#sources(address, wanted, 'last') };
  }

  sources(address: Address, wanted?: Wanted): Iterable<Source> {
    return this.#sources(address, wanted, 'first');
  }

  /** True while this node waits for that one to begin with this chunk: to have that wait for this would be a circle. */
  isAwaiting(node: string, address: Address, index: number): boolean {
    return this.#awaited.has(nameOf(node, address, index));
  }

  /** Those of whom others would be asked for a chunk if this node were not there, best first. */
  standIns(address: Address, index: number): readonly Member[] {
    const { self } = this.#parts.members;
    return this.#ranked(address, index, RANKED).filter(({ url }) => url !== self.url);
  }

  *#sources(address: Address, wanted: Wanted | undefined, when: 'first' | 'last'): Iterable<Source> {
    const { members, picker } = this.#parts;
    if (wanted === undefined || members.list().length < 2) return;
    const { index, chain, right } = wanted;
    const via = (chain ?? '').split(' ').filter((node) => node !== '' && node !== members.self.url);
    const isLast = when === 'last';
    const search: Search = { address, index, via, right, isLast, tried: new Set() };
    const ranked = this.#ranked(address, index, isLast ? RANKED_LAST : RANKED);
    for (const member of picker.pick(ranked, via)[when]) {
      if (search.tried.has(member.url)) continue;
      // At last none of those before it keeps it from anything, and all in one chain would be too many.
      yield this.#source(isLast ? { ...search, tried: new Set() } : search, member);
      // Whoever is asked next, because this one failed or is slow, is to find its own way.
      search.tried.add(member.url);
    }
  }

  #ranked(address: Address, index: number, count: number): readonly Member[] {
    const list = this.#parts.members.list();
    if (this.#ranking?.list !== list) this.#ranking = { list, owners: new Owners(list) };
    return this.#ranking.owners.ranked(addressKey(address), index, count);
  }

  #source(search: Search, member: Member): HedgeableSource {
    const { hedging, health, latecomers } = this.#parts;
    return {
      name: member.url,
      kind: 'sibling',
      hedge: {
        afterMs: hedging.afterMs,
        silentMs: SILENT_MS,
        begin: () => latecomers.isAlone(member.url) && hedging.spend(),
        overtaken: () => health.failed(member.url),
        left: ({ name, kind }) => {
          if (kind === 'sibling') health.failed(name);
        },
      },
      open: (query, signal) => this.#follow(search, member, search.isLast ? ifCached(query) : query, signal),
    };
  }

  /** Asks a sibling, and whom it sends us on to: other members, or one of our roots, and nobody else. */
  async #follow(search: Search, first: Member, query: UpstreamQuery, signal: AbortSignal): Promise<Reply> {
    const { members, health, rootAt, onRedirect } = this.#parts;
    const { tried } = search;
    // Who has sent us on, the last one last.
    const path = [first];
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const member = path.at(-1) as Member;
      const answer = await this.#ask(search, path, redirects, query, signal).catch((error: unknown) => {
        tried.add(member.url);
        if (path.length === 1 || !isElsewhere(error)) throw error;
        return undefined;
      });
      // Whoever sent us there is asked for another.
      if (answer === undefined) path.pop();
      else if ('reply' in answer) return redirects === 0 ? answer.reply : { ...answer.reply, redirects };
      else {
        const next = members.byUrl(answer.location);
        const root = next === undefined ? rootAt(answer.location) : undefined;
        if (root !== undefined) return from(root, await root.open(query, signal));
        if (next === undefined) {
          throw new P2PError('UPSTREAM_MISMATCHED', `${member.url} sent us on to a stranger`);
        }
        onRedirect();
        const isNew = next.url !== members.self.url && !path.includes(next) && !tried.has(next.url);
        if (isNew && health.mayAsk(next.url)) path.push(next);
        else tried.add(next.url);
      }
    }
    throw new P2PError('UPSTREAM_FAILED', `${first.url} and those after it have sent us on too often`);
  }

  async #ask(
    { address, index, via, right, tried }: Search,
    path: readonly Member[],
    redirects: number,
    query: UpstreamQuery,
    signal: AbortSignal,
  ) {
    const { members, client } = this.#parts;
    const member = path.at(-1) as Member;
    const before = new Set([...via, ...tried, ...path.slice(-1 - TOLD_REFERRERS).map(({ url }) => url)]);
    before.delete(member.url);
    before.delete(members.self.url);
    const chain = [...before, members.self.url];
    if (chain.length > MAX_CHAIN) {
      throw new P2PError('LOOP_DETECTED', 'too many nodes were asked for one chunk');
    }
    const name = nameOf(member.url, address, index);
    this.#awaited.set(name, (this.#awaited.get(name) ?? 0) + 1);
    try {
      return await client.ask(query, { member, chain, redirects, right }, signal);
    } finally {
      const others = (this.#awaited.get(name) ?? 1) - 1;
      if (others === 0) this.#awaited.delete(name);
      else this.#awaited.set(name, others);
    }
  }
}

/** What costs whoever is asked no more than a look: what it does not have it would ask of those that have just failed. */
const ifCached = (query: UpstreamQuery): UpstreamQuery => ({
  ...query,
  headers: { 'cache-control': 'only-if-cached', ...query.headers },
});

const nameOf = (node: string, address: Address, index: number): string =>
  `${node} ${addressKey(address)} ${index}`;

const isElsewhere = (error: unknown): boolean => error instanceof P2PError && error.retry === 'elsewhere';

const from = ({ name, kind }: Giver, reply: Reply): Reply => ({
  ...reply,
  from: reply.from ?? { name, kind },
});
