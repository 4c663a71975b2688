import { FanOut } from '../../functions/service/fan-out.ts';
import type { Coming } from '../../sidecar/entry/referrals.ts';
import type { Member } from '../../sidecar/members/member.ts';
import { Health } from '../../sidecar/upstream/health.ts';
import { Hedging } from '../../sidecar/upstream/hedging.ts';
import { Picker } from '../../sidecar/upstream/picker.ts';

/** How agents are set. */
export interface AgentSettings {
  readonly maxChildren: number;
  /** For so long siblings are tried for one chunk. */
  readonly budgetMs: number;
}

/** A chunk on its way to a host. */
export interface Arrival extends Coming {
  /** Called when all of it is there. */
  readonly waiting: (() => void)[];
  /** True while that host was asked for it and has not sent anything. */
  isAwaiting(host: Host): boolean;
}

/** A host with an agent on it: what it does with its neighbours is done by the very parts that agents are made of. */
export interface Host {
  /** Its node in the network. */
  readonly node: number;
  readonly member: Member;
  readonly health: Health;
  readonly picker: Picker;
  readonly hedging: Hedging;
  /** The chunks that come. */
  readonly coming: Map<number, Arrival>;
  isUp: boolean;
  /** Those that it said it would send a chunk to, and that have not heard of it yet. */
  promised: number;
  fanOut(chunk: number): FanOut;
  /** Forgets to whom it gave the chunks before this one. */
  forgetBefore(chunk: number): void;
}

/** A host's surroundings, as far as its agent goes by them. */
interface Knowledge {
  readonly isMember: (url: string) => boolean;
  /** How many chunks a node is sending. */
  readonly sending: (node: number) => number;
  readonly now: () => number;
}

// What FanOut keeps of a chunk it keeps for a minute, longer than most pulls: of ten thousand hosts that would not fit
// into memory. So it is one for so many chunks, and is let go as a whole.
const CHUNKS_PER_FAN_OUT = 16;

/** The agent's parts of one member. */
export function createHost(
  member: Member,
  node: number,
  { maxChildren, budgetMs }: AgentSettings,
  { isMember, sending, now }: Knowledge,
): Host {
  const health = new Health(now);
  const fanOuts = new Map<number, FanOut>();
  const host: Host = {
    node,
    member,
    health,
    picker: new Picker({ self: member.url, health, budgetMs, now }),
    hedging: new Hedging(),
    coming: new Map(),
    isUp: true,
    promised: 0,
    fanOut(chunk) {
      const block = Math.floor(chunk / CHUNKS_PER_FAN_OUT);
      const known = fanOuts.get(block);
      if (known !== undefined) return known;
      const fanOut = new FanOut({ maxChildren, sending: () => sending(node) + host.promised, isMember, now });
      fanOuts.set(block, fanOut);
      return fanOut;
    },
    forgetBefore(chunk) {
      for (const block of fanOuts.keys()) {
        if ((block + 1) * CHUNKS_PER_FAN_OUT <= chunk) fanOuts.delete(block);
      }
    },
  };
  return host;
}
