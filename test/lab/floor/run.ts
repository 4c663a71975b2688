import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseSize } from '../../../functions/service/config/size.ts';
import { cpuSecondsOfMachine, cpuSecondsOfTree, GB } from '../../bench/machine.ts';
import { median } from '../../bench/table.ts';
import { virtualBlob } from '../../support/blob-of.ts';
import { compileC } from '../../support/compile.ts';
import { startDaemon } from '../../support/daemon.ts';
import { enterPlace } from '../../support/place.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { agentAddress } from '../cluster.ts';
import { runInLab } from '../isolate.ts';
import { writeBlob } from '../lab.ts';
import { openNetwork } from '../network.ts';
import { startOriginProcess } from '../origin-process.ts';
import { type Pulled, startPull } from '../pull.ts';

const HELP = `npm run floor -- [options]

What the hosts and links of \`npm run lab\` cost by themselves: each host has a program of a page of C in place of an
agent, which reads the blob from the host before it and passes it on to the next host and to its own client. It keeps
nothing, checks nothing, and knows no HTTP. So no cluster can need less processor time on this machine, and the share of
the link that this gets is the most that any can.

  --hosts N       (16)
  --size SIZE     of the blob (512MiB)
  --mbit N        rate of each link, both ways (200)
  --help

Needs root, ip, tc, cc, and memory for the blob.
`;

const PORT = 80;
const PATH = '/blob';
const IDLE_SECONDS = 60;
const SEED = 'floor';
const ORIGIN_ADDRESS = '10.77.4.1';

/** What a chain of hosts took. */
interface Floor {
  readonly pulls: readonly Pulled[];
  readonly cpuSeconds: number;
  /** Of all that runs on the machine. */
  readonly machineCpuSeconds: number;
  readonly seconds: number;
}

async function runChain(hosts: number, size: number, mbit: number): Promise<Floor> {
  await using dir = await tempDir();
  const [pull, chain] = [new URL('../pull.c', import.meta.url), new URL('chain.c', import.meta.url)].map(
    (source) => compileC(source, dir.path),
  );
  await using network = await openNetwork(dir.path, { mbit });
  const rightFile = join(dir.path, 'blob');
  writeBlob(rightFile, virtualBlob(size, SEED));

  await using origin = await startOriginProcess(await network.addHost('origin', ORIGIN_ADDRESS), PORT);
  await origin.tell({ put: PATH, size, seed: SEED });
  let upstream = ORIGIN_ADDRESS;
  const links = [];
  for (let index = 0; index < hosts; index += 1) {
    const host = await network.addHost(`host${index + 1}`, agentAddress(index));
    // Its client, and the next host.
    const readers = index === hosts - 1 ? 1 : 2;
    const args = [String(PORT), String(readers), upstream, String(PORT)];
    const [command, commandArgs] = enterPlace(host, chain as string, args);
    links.push({ host, relay: await startDaemon(command, commandArgs, (said) => said.includes('ready')) });
    upstream = host.address;
  }

  const [before, machineBefore, startedMs] = [
    cpuSecondsOfTree(process.pid),
    cpuSecondsOfMachine(),
    performance.now(),
  ];
  const pulls = await Promise.all(
    links.map(({ host }) => {
      const client = { program: pull as string, at: host, rightFile, idleSeconds: IDLE_SECONDS };
      const asking = { host: '127.0.0.1', port: PORT, target: PATH, headers: [`Host: ${ORIGIN_ADDRESS}`] };
      return startPull({ ...client, ...asking }).ended;
    }),
  );
  const floor = {
    pulls,
    seconds: (performance.now() - startedMs) / 1000,
    cpuSeconds: cpuSecondsOfTree(process.pid) - before,
    machineCpuSeconds: cpuSecondsOfMachine() - machineBefore,
  };
  for (const { relay } of links) await relay.stop('SIGKILL');
  return floor;
}

function format(
  { pulls, seconds, cpuSeconds, machineCpuSeconds }: Floor,
  size: number,
  mbit: number,
): string {
  const delivered = (pulls.length * size) / GB;
  const took = pulls.map((pull) => pull.seconds);
  // Of 1,514 bytes on a link 1,448 are a blob's, where TCP sends timestamps.
  const linkBytesPerSecond = ((mbit * 1e6) / 8) * (1448 / 1514);
  const right = pulls.filter(({ ending }) => ending === 'right').length;
  return [
    `hosts with right bytes      ${right} of ${pulls.length}`,
    `seconds, median / slowest   ${median(took).toFixed(2)} / ${Math.max(...took).toFixed(2)}`,
    `slowest host, of its link   ${(size / Math.max(...took) / linkBytesPerSecond).toFixed(2)}`,
    `CPU, s/GB delivered         ${(cpuSeconds / delivered).toFixed(2)}`,
    `cores busy with that        ${(cpuSeconds / seconds).toFixed(2)}`,
    `cores busy, all             ${(machineCpuSeconds / seconds).toFixed(2)}`,
  ].join('\n');
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      hosts: { type: 'string', default: '16' },
      size: { type: 'string', default: '512MiB' },
      mbit: { type: 'string', default: '200' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const [size, mbit] = [parseSize(values.size), Number(values.mbit)];
  if (size === undefined) throw new Error(`--size is a size such as 64MiB; "${values.size}" is not`);
  const floor = await runChain(Number(values.hosts), size, mbit);
  console.log(format(floor, size, mbit));
  return floor.pulls.every(({ ending }) => ending === 'right') ? 0 : 1;
}

await runInLab(main);
