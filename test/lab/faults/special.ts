import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Fault } from '../../support/fault.ts';
import type { FrontFault } from '../../support/front.ts';
import { until } from '../../support/until.ts';
import { agentAddress, type NodeMachine, PORTS } from '../cluster.ts';
import { LAB_ADDRESS } from '../network.ts';
import type { LabFault } from './fault.ts';
import { LIAR, READERS, type Stage, VICTIM } from './stage.ts';

const MiB = 2 ** 20;

const victim = ({ cluster }: Stage) => cluster.agents[VICTIM] as NodeMachine;
const firstRoot = ({ cluster }: Stage) => cluster.roots[0] as NodeMachine;
const ON_BLOBS = /^GET .*\/blobs\//;
/** A kill, and a new life at once. */
async function restart(machine: NodeMachine): Promise<void> {
  await machine.kill();
  await machine.revive();
}

const lying = (how: string, misdeed: Omit<FrontFault, 'on'>): LabFault => ({
  of: 'a sibling that lies',
  how,
  when: 'before',
  begin: ({ liar }) => liar.misbehave([{ on: ON_BLOBS, ...misdeed }]),
});

const LIES: readonly LabFault[] = [
  lying('a bit of each chunk flipped', { corrupt: MiB / 2 }),
  lying('a bit of the first byte flipped', { corrupt: 0 }),
  lying('chunks cut short', { cutAfterBytes: MiB / 3 }),
  lying('connections reset within chunks', { resetAfterBytes: MiB / 3 }),
  lying('connections reset at once', { reset: true }),
  lying('500', { status: 500 }),
  lying('404', { status: 404 }),
  lying('an answer after 20 s', { delayMs: 20_000 }),
  lying('sends askers to a stranger', {
    status: 307,
    headers: { location: `http://${LAB_ADDRESS}:${PORTS.p2p}/stolen` },
  }),
  lying('sends askers to itself', {
    status: 307,
    headers: { location: `http://${agentAddress(LIAR)}:${PORTS.p2p}/dadip2p/` },
  }),
];

const ofOrigin = (how: string, always: Fault, more: Partial<LabFault> = {}): LabFault => ({
  of: 'an origin that errs',
  how,
  when: 'before',
  begin: async ({ cluster }) => {
    await cluster.origin.program.tell({ always });
  },
  ...more,
});

const ORIGIN: readonly LabFault[] = [
  ofOrigin('wrong bytes', { corrupt: 5 * MiB }, { noSource: true, lastsMs: 2_000 }),
  ofOrigin('every reply cut off at 600 KiB', { cutAfterBytes: 600 * 1024 }),
  ofOrigin('every reply reset at 600 KiB', { resetAfterBytes: 600 * 1024 }),
  ofOrigin('short replies', { shortBody: 700 * 1024 }, { noSource: true, lastsMs: 2_000 }),
  ofOrigin('Range ignored', { ignoreRange: true }),
  ofOrigin('half a second to each first byte', { delayMs: 500 }),
  ofOrigin('2 MB/s a connection', { bitsPerSecond: 16e6 }),
  ofOrigin('503 to everything for 2 s', { status: 503 }, { noSource: true, lastsMs: 2_000 }),
];

const CLOCK = fileURLToPath(new URL('clock.mjs', import.meta.url));

/** Gives one node a clock that is wrong. */
const skewed = (how: string, pick: (stage: Stage) => NodeMachine, aheadMs: number): LabFault => ({
  of: 'a clock that is wrong',
  how,
  when: 'before',
  async begin(stage) {
    await pick(stage).kill();
    await pick(stage).revive({ CLOCK_AHEAD_MS: String(aheadMs), NODE_OPTIONS: `--import ${CLOCK}` });
  },
  end: (stage) => pick(stage).kill(),
});

const HOUR = 3_600_000;

const sendAway = ({ program }: NodeMachine): void => void process.kill(program.pid, 'SIGTERM');
const untilGone = async (machine: NodeMachine): Promise<void> => {
  await until('the end of a node', () => !machine.isAlive);
};

const OTHER: readonly LabFault[] = [
  {
    of: 'one sibling',
    how: 'its worker crashes',
    spoils: [VICTIM],
    async begin(stage) {
      process.kill(victim(stage).program.workerPid, 'SIGKILL');
    },
  },
  {
    of: 'one sibling',
    how: 'told to go (SIGTERM)',
    begin: async (stage) => sendAway(victim(stage)),
    end: (stage) => untilGone(victim(stage)),
  },
  {
    of: 'one sibling',
    how: 'killed and started, over and over',
    spoils: [VICTIM],
    async begin(stage) {
      for (let turn = 0; turn < 3; turn += 1) await restart(victim(stage));
    },
  },
  {
    of: 'one sibling',
    how: 'joins meanwhile',
    spoils: [VICTIM],
    async begin(stage) {
      await victim(stage).kill();
      await wait(500);
      await victim(stage).revive();
    },
  },
  {
    of: 'one root',
    how: 'told to go (SIGTERM)',
    begin: async (stage) => sendAway(firstRoot(stage)),
    end: (stage) => untilGone(firstRoot(stage)),
  },
  {
    of: 'who is listed',
    how: 'half of the siblings are dead and still listed',
    when: 'before',
    spoils: [4, 5, 6, 7],
    async begin({ cluster }) {
      await Promise.all(cluster.agents.slice(READERS).map((agent) => agent.kill()));
    },
  },
  {
    of: 'who is listed',
    how: 'DNS gone',
    when: 'before',
    async begin({ dns }) {
      dns.isFailing = true;
    },
  },
  {
    of: 'who is listed',
    how: 'DNS and all roots gone, and a sibling starts anew',
    when: 'before',
    async begin(stage) {
      stage.dns.isFailing = true;
      for (const root of stage.cluster.roots) await root.kill();
      await restart(victim(stage));
    },
  },
  skewed('a sibling is an hour ahead', victim, HOUR),
  skewed('a sibling is an hour behind', victim, -HOUR),
  skewed('a root is an hour ahead', firstRoot, HOUR),
  {
    of: 'the cache disk of one sibling',
    how: 'full',
    when: 'before',
    begin: ({ disk }) => disk.fill(),
  },
  {
    of: 'the cache disk of one sibling',
    how: 'emptied meanwhile',
    begin: ({ disk }) => disk.empty(),
  },
  {
    of: 'the cache disk of one sibling',
    how: 'read-only meanwhile',
    begin: ({ disk }) => disk.lock(),
  },
  {
    of: 'every link',
    how: '30 % of all packets lost',
    async begin({ machines }) {
      await Promise.all(machines.map(({ host }) => host.lose(0.3)));
    },
    lastsMs: 5_000,
  },
  {
    of: 'what has the blob already',
    how: 'the origin gone: roots, S3 and a sibling have it',
    when: 'before',
    warm: true,
    begin: ({ cluster }) => cluster.origin.kill(),
  },
  {
    of: 'what has the blob already',
    how: 'the origin and S3 gone: a sibling has it',
    when: 'before',
    warm: true,
    async begin({ cluster }) {
      await cluster.origin.kill();
      await cluster.s3.kill();
    },
  },
  {
    of: 'what has the blob already',
    how: 'the origin and all roots gone: a sibling has it',
    when: 'before',
    warm: true,
    async begin({ cluster }) {
      await cluster.origin.kill();
      for (const root of cluster.roots) await root.kill();
    },
  },
  {
    of: 'what has the blob already',
    how: 'the origin and the sibling that has it gone: S3 has it',
    when: 'before',
    warm: true,
    spoils: [VICTIM],
    async begin(stage) {
      await stage.cluster.origin.kill();
      await victim(stage).kill();
    },
  },
];

export const SPECIAL: readonly LabFault[] = [...LIES, ...ORIGIN, ...OTHER];
