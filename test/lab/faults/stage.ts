import { type DnsServer, startDns } from '../../support/dns.ts';
import { agentAddress, cacheDirOf, type NodeMachine, PORTS } from '../cluster.ts';
import { type Disk, mountDisk } from '../disk.ts';
import { type FrontProcess, startFrontProcess } from '../front-process.ts';
import { type Lab, openLab } from '../lab.ts';
import type { Machine } from '../machine.ts';
import { LAB_ADDRESS } from '../network.ts';

/** A lab in which things go wrong. */
export interface Stage extends Lab {
  /** Where siblings are found, beside the roots' directory. */
  readonly dns: DnsServer;
  /** The disk that the victim's cache is on. */
  readonly disk: Disk;
  /** What stands before the agent `LIAR`. */
  readonly liar: FrontProcess;
  /** Every program that can be ended. */
  readonly machines: readonly Machine[];
  /** Ends every fault; all programs serve again. */
  heal(): Promise<void>;
}

/** The first of them have clients whose transfers must survive, one for each way in; the others are what fails. */
export const READERS = 4;
export const AGENTS = 8;
/** The agent that most befalls. */
export const VICTIM = 6;
/** The agent that others reach through a front, which can misbehave. */
export const LIAR = 7;
const DISK_BYTES = 256 * 2 ** 20;
// Of a root as of an agent: both are full as soon.
const MemCacheSize = '64MiB';
const NAME = 'siblings.lab';

/** Sets it up, its nodes with these variables of the environment. Only in namespaces of its own. */
export async function openStage(env: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const settings = {
    Siblings: [`dns+${NAME}:${PORTS.p2p}`, 'directory'],
    // Blobs come and go: what is kept of old ones is of no use, and memory is short.
    CacheConfig: { MemCacheSize, FileCacheSize: '128MiB', MinFree: 0 },
  };
  let dns: DnsServer | undefined;
  let disk: Disk | undefined;
  const lab = await openLab({
    agents: AGENTS,
    roots: 2,
    mbit: 200,
    chunkSize: '1MiB',
    env,
    async prepare(dir) {
      disk = await mountDisk(cacheDirOf(dir, `agent${VICTIM + 1}`), DISK_BYTES);
      dns = await startDns(LAB_ADDRESS);
      dns.addresses[NAME] = Array.from({ length: AGENTS }, (_, index) => agentAddress(index));
    },
    root: { P2PConfig: { CacheConfig: { MemCacheSize } } },
    agent: () => ({ P2PConfig: { ...settings, DNSServer: dns?.address ?? '' } }),
  });
  const { agents, roots, s3, origin } = lab.cluster;
  const liar = await startFrontProcess((agents[LIAR] as NodeMachine).host);
  const machines: readonly Machine[] = [s3, origin, ...roots, ...agents];
  return {
    ...lab,
    dns: dns as unknown as DnsServer,
    disk: disk as unknown as Disk,
    liar,
    machines,
    async heal() {
      if (dns !== undefined) dns.isFailing = false;
      await liar.misbehave([]);
      await disk?.heal();
      for (const machine of machines) {
        await machine.host.heal();
        machine.thaw();
      }
      for (const machine of machines) await machine.revive();
      await origin.program.tell({ always: {} });
    },
    async [Symbol.asyncDispose]() {
      await liar[Symbol.asyncDispose]();
      await disk?.[Symbol.asyncDispose]();
      await lab[Symbol.asyncDispose]();
      await dns?.[Symbol.asyncDispose]();
    },
  };
}
