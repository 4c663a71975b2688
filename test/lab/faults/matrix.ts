import { setTimeout as wait } from 'node:timers/promises';
import { metric } from '../../support/pair.ts';
import type { Machine } from '../machine.ts';
import type { LabFault } from './fault.ts';
import { AGENTS, READERS, type Stage, VICTIM } from './stage.ts';

/** What fails, of a stage. */
interface Subject {
  readonly of: string;
  pick(stage: Stage): readonly Machine[] | Promise<readonly Machine[]>;
  readonly spoils?: readonly number[];
  readonly owned?: true;
  /** So long nobody has the bytes. */
  readonly lastsMs?: number;
  readonly noSource?: true;
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

const SUBJECTS: readonly Subject[] = [
  { of: 'one sibling', pick: ({ cluster }) => cluster.agents.slice(VICTIM, VICTIM + 1), spoils: [VICTIM] },
  {
    of: 'the owner of a chunk',
    pick: ({ cluster }) => cluster.agents.slice(VICTIM, VICTIM + 1),
    spoils: [VICTIM],
    owned: true,
  },
  {
    of: 'half of the siblings',
    pick: ({ cluster }) => cluster.agents.slice(READERS),
    spoils: range(READERS, AGENTS),
  },
  {
    of: 'all siblings',
    pick: ({ cluster }) => cluster.agents.slice(1),
    spoils: range(1, AGENTS),
  },
  { of: 'the root of the blob', pick: busiestRoot },
  { of: 'all roots', pick: ({ cluster }) => cluster.roots },
  { of: 'S3', pick: ({ cluster }) => [cluster.s3] },
  {
    of: 'all but the origin',
    pick: ({ cluster }) => [...cluster.roots, cluster.s3, ...cluster.agents.slice(1)],
    spoils: range(1, AGENTS),
  },
  // Shorter than what our nodes wait for a byte.
  { of: 'the origin', pick: ({ cluster }) => [cluster.origin], lastsMs: 2_000, noSource: true },
];

/** The one that fetches what is read just then. */
async function busiestRoot({ cluster }: Stage): Promise<readonly Machine[]> {
  const counted = cluster.roots.map(async (root) => ({
    root,
    flights: (await metric(root.program, 'p2p_flights')) ?? 0,
  }));
  const [first] = (await Promise.all(counted)).sort((a, b) => b.flights - a.flights);
  return first === undefined ? [] : [first.root];
}

/** What is done to a machine, and goes on until the stage is healed. */
interface Misdeed {
  readonly how: string;
  begin(machine: Machine): void | Promise<void>;
  /** Leaves what it is done to able to serve, if slowly. */
  readonly isMild?: true;
}

const SLOW_MBIT = 5;
const FLAP_MS = 400;
const FLAPS = 3;

const MISDEEDS: readonly Misdeed[] = [
  { how: 'killed', begin: (machine) => machine.kill() },
  { how: 'frozen', begin: (machine) => machine.freeze() },
  { how: 'slow, 5 Mbit', begin: ({ host }) => host.slow(SLOW_MBIT), isMild: true },
  { how: 'unplugged', begin: ({ host }) => host.unplug() },
  { how: 'hears nothing', begin: ({ host }) => host.deafen() },
  { how: 'is not heard', begin: ({ host }) => host.mute() },
  { how: '30 % of its packets lost', begin: ({ host }) => host.lose(0.3), isMild: true },
  {
    how: 'comes and goes',
    async begin({ host }) {
      for (let flap = 0; flap < FLAPS; flap += 1) {
        await host.unplug();
        await wait(FLAP_MS);
        await host.heal();
        await wait(FLAP_MS);
      }
    },
  },
];

/** Each of them done to each. */
export const MATRIX: readonly LabFault[] = SUBJECTS.flatMap(
  ({ of, pick, spoils = [], owned, lastsMs, noSource }) =>
    MISDEEDS.map(({ how, begin, isMild }): LabFault => {
      // A slow link is the way in's own only as far as its client is concerned: it gets what it is due, late.
      const fault: LabFault = {
        of,
        how,
        spoils,
        ...(owned && { owned }),
        begin: async (stage) => {
          await Promise.all((await pick(stage)).map(begin));
        },
      };
      const outage = { ...(lastsMs !== undefined && { lastsMs }), ...(noSource && { noSource }) };
      return isMild ? fault : { ...fault, ...outage };
    }),
);
