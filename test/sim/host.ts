import { FanOut } from '../../functions/service/fan-out.ts';
import type { Member } from '../../sidecar/members/member.ts';
import { Health } from '../../sidecar/upstream/health.ts';
import { Hedging } from '../../sidecar/upstream/hedging.ts';
import { Picker } from '../../sidecar/upstream/picker.ts';
import type { Receipt } from './network.ts';

/** How agents are set. */
export interface AgentSettings {
  readonly maxChildren: number;
  /** A host that is sending so many chunks gives any further one to a single child. */
  readonly maxSending: number;
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
}

/** The agents of a cluster whose members all know each other. */
export function createHosts(
  members: readonly Member[],
  chunks: number,
  { maxChildren, maxSending, budgetMs }: AgentSettings,
  sending: (node: number) => number,
  now: () => number,
): Host[] {
  const urls = new Set(members.map(({ url }) => url));
  const isMember = (url: string) => urls.has(url);
  return members.map((member, node) => {
    const health = new Health(now);
    return {
      node,
      member,
      has: new Uint8Array(chunks),
      coming: new Map(),
      isUp: true,
      health,
      picker: new Picker({ self: member.url, health, budgetMs, now }),
      hedging: new Hedging(),
      fanOut: new FanOut({
        get maxChildren() {
          return sending(node) < maxSending ? maxChildren : 1;
        },
        isMember,
        now,
      }),
    };
  });
}
