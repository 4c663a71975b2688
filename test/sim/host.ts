import { FanOut } from '../../functions/service/fan-out.ts';
import type { Member } from '../../sidecar/members/member.ts';
import { Health } from '../../sidecar/upstream/health.ts';
import { Hedging } from '../../sidecar/upstream/hedging.ts';
import { Picker } from '../../sidecar/upstream/picker.ts';
import type { Receipt } from './network.ts';

/** How agents are set. */
export interface AgentSettings {
  readonly maxChildren: number;
  /** False to have the number of its children be all that bounds what an agent sends, as it once was. */
  readonly boundsSending: boolean;
  /** For so long siblings are tried for one chunk. */
  readonly budgetMs: number;
}

/** What a host does with its neighbours: the very parts that agents are made of. */
export interface Policy {
  readonly health: Health;
  readonly picker: Picker;
  readonly hedging: Hedging;
  readonly fanOut: FanOut;
}

/** A chunk on its way to a host. */
interface Coming {
  readonly receipt: Receipt;
  /** Called when all of it is there. */
  readonly waiting: (() => void)[];
  /** True while that host was asked for it and has not sent anything. */
  isAwaiting(host: Host): boolean;
}

/** A host with an agent on it. */
export interface Host extends Policy {
  /** Its node in the network. */
  readonly node: number;
  readonly member: Member;
  /** The chunks that it has. */
  readonly has: Uint8Array;
  /** Those that come. */
  readonly coming: Map<number, Coming>;
  isUp: boolean;
  /** Those that it said it would send a chunk to, and that have not heard of it yet. */
  promised: number;
}

/** The agents of a cluster whose members all know each other. */
export function createHosts(
  members: readonly Member[],
  chunks: number,
  { maxChildren, boundsSending, budgetMs }: AgentSettings,
  sending: (node: number) => number,
  now: () => number,
): Host[] {
  const urls = new Set(members.map(({ url }) => url));
  const isMember = (url: string) => urls.has(url);
  return members.map((member, node) => {
    const health = new Health(now);
    const host: Host = {
      node,
      member,
      has: new Uint8Array(chunks),
      coming: new Map(),
      isUp: true,
      promised: 0,
      health,
      picker: new Picker({ self: member.url, health, budgetMs, now }),
      hedging: new Hedging(),
      fanOut: new FanOut({
        maxChildren,
        sending: () => (boundsSending ? sending(node) + host.promised : 0),
        isMember,
        now,
      }),
    };
    return host;
  });
}
