import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { compileC } from '../support/compile.ts';
import { startDaemon } from '../support/daemon.ts';
import type { Place } from '../support/place.ts';

const run = promisify(execFile);

/** What a host's link does. */
export interface LinkOptions {
  /** Both ways. */
  readonly mbit: number;
  /** One way; default: none to speak of. */
  readonly delayMs?: number;
}

/** Bytes over a host's link, as its far end counts them. */
export interface Traffic {
  readonly sent: number;
  readonly received: number;
}

/** A host: a network namespace with one link to the switch. Link faults last until `heal`. */
export interface Host extends Place {
  readonly name: string;
  traffic(): Traffic;
  /** Makes the link slower. */
  slow(mbit: number): Promise<void>;
  /** Pulls the plug: nothing passes either way. */
  unplug(): Promise<void>;
  /** Nothing reaches it any more; what it sends still arrives. */
  deafen(): Promise<void>;
  /** Nothing that it sends arrives any more; what is sent to it does. */
  mute(): Promise<void>;
  /** Loses this share of the packets that come in. */
  lose(share: number): Promise<void>;
  /** Makes the link what it was at first. */
  heal(): Promise<void>;
}

/** Hosts around a switch; the switch is this process's own namespace. Disposed of, there can be another. */
export interface Network extends AsyncDisposable {
  addHost(name: string, address: string, link?: Partial<LinkOptions>): Promise<Host>;
}

const BRIDGE = 'br0';
const PREFIX_BITS = 16;
/** This process's own address on the switch. */
export const LAB_ADDRESS = '10.77.255.254';

/**
 * Makes the switch. Only in a network namespace of its own, with which all of it ends: see `runInLab`.
 * `dir` is where it puts a program of its own.
 */
export async function openNetwork(dir: string, link: LinkOptions): Promise<Network> {
  await ip('link', 'set', 'lo', 'up');
  await ip('link', 'add', BRIDGE, 'type', 'bridge');
  await ip('addr', 'add', `${LAB_ADDRESS}/${PREFIX_BITS}`, 'dev', BRIDGE);
  await ip('link', 'set', BRIDGE, 'up');
  let relay: string | undefined;
  const names: string[] = [];
  return {
    addHost(name, address, own = {}) {
      const whole = { ...link, ...own };
      if (whole.delayMs !== undefined) relay ??= compileC(new URL('relay.c', import.meta.url), dir);
      names.push(name);
      return addHost(name, address, whole, relay);
    },
    async [Symbol.asyncDispose]() {
      // A namespace goes some time after its last process, and would take its link along only then.
      for (const name of names) {
        await ip('link', 'del', portOf(name));
        await ip('netns', 'del', name);
      }
      await ip('link', 'del', BRIDGE);
    },
  };
}

/** The switch's end of a host's link. */
const portOf = (name: string): string => `to-${name}`;

async function addHost(
  name: string,
  address: string,
  { mbit, delayMs }: LinkOptions,
  relay: string | undefined,
): Promise<Host> {
  const port = portOf(name);
  await ip('netns', 'add', name);
  if (delayMs === undefined || relay === undefined)
    await ip('link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  else
    await startDaemon(relay, [name, 'eth0', port, String(delayMs * 1000)], (said) => said.includes('ready'));
  await ip('link', 'set', port, 'master', BRIDGE, 'up');
  await ip('-n', name, 'addr', 'add', `${address}/${PREFIX_BITS}`, 'dev', 'eth0');
  for (const device of ['lo', 'eth0']) await ip('-n', name, 'link', 'set', device, 'up');

  const outward = (...qdisc: string[]) => tc('-n', name, 'qdisc', 'replace', 'dev', 'eth0', 'root', ...qdisc);
  const inward = (...qdisc: string[]) => tc('qdisc', 'replace', 'dev', port, 'root', ...qdisc);
  const enter = ['nsenter', `--net=/run/netns/${name}`];
  const [first = '', ...rest] = enter;
  const iptables = (...args: string[]) => run(first, [...rest, 'iptables', ...args]);
  let isLossy = false;

  const host: Host = {
    name,
    address,
    enter,
    traffic: () => trafficOf(port),
    async slow(limit) {
      await outward(...shaped(limit));
      await inward(...shaped(limit));
    },
    async unplug() {
      await ip('link', 'set', port, 'down');
    },
    async deafen() {
      await inward('blackhole');
    },
    async mute() {
      await outward('blackhole');
    },
    async lose(share) {
      isLossy = true;
      const chance = ['-m', 'statistic', '--mode', 'random', '--probability', String(share)];
      await iptables('-A', 'INPUT', '-i', 'eth0', ...chance, '-j', 'DROP');
    },
    async heal() {
      await ip('link', 'set', port, 'up');
      await host.slow(mbit);
      if (isLossy) await iptables('-F', 'INPUT');
      isLossy = false;
    },
  };
  await host.slow(mbit);
  return host;
}

/**
 * A link of this rate whose queue holds 50 ms. The bucket is ten milliseconds' worth, and at least what one write sends with
 * a header on each packet, 68 KiB: what is larger and in the queue as a link slows down would never get out.
 */
function shaped(mbit: number): string[] {
  const burst = Math.max(128 * 1024, Math.ceil((mbit * 1e6) / 8 / 100));
  return ['tbf', 'rate', `${mbit}mbit`, 'burst', String(burst), 'latency', '50ms'];
}

/** From the switch's side: what it receives there the host has sent. */
function trafficOf(port: string): Traffic {
  const line = readFileSync('/proc/self/net/dev', 'utf8')
    .split('\n')
    .find((text) => text.trimStart().startsWith(`${port}:`));
  const counts = (line ?? '')
    .slice((line ?? '').indexOf(':') + 1)
    .trim()
    .split(/\s+/)
    .map(Number);
  return { sent: counts[0] ?? 0, received: counts[8] ?? 0 };
}

const ip = (...args: string[]) => run('ip', args);
const tc = (...args: string[]) => run('tc', args);
