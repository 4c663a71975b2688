import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { endProcess } from '../support/daemon.ts';
import type { FrontFault } from '../support/front.ts';
import { enterPlace } from '../support/place.ts';
import { PORTS } from './cluster.ts';
import type { Host } from './network.ts';

const run = promisify(execFile);
const WORKER = fileURLToPath(new URL('front-worker.ts', import.meta.url));
const FRONT_PORT = 29_145;

/** What stands between a node's P2P port and all other hosts. Clients of its own host pass it by. */
export interface FrontProcess extends AsyncDisposable {
  /** From the next request on. */
  misbehave(faults: readonly FrontFault[]): Promise<void>;
}

/** Puts a front before a host's P2P port: for others it is that port. */
export async function startFrontProcess(host: Host): Promise<FrontProcess> {
  const port = String(FRONT_PORT);
  const args = [...process.execArgv, WORKER, host.address, port, `http://127.0.0.1:${PORTS.p2p}`];
  const child = spawn(...enterPlace(host, process.execPath, args), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // Keeps regular expressions.
    serialization: 'advanced',
  });
  await once(child, 'message');
  const redirect = ['-p', 'tcp', '--dport', String(PORTS.p2p), '-j', 'REDIRECT', '--to-ports', port];
  await run(...enterPlace(host, 'iptables', ['-t', 'nat', '-A', 'PREROUTING', '-i', 'eth0', ...redirect]));
  return {
    async misbehave(faults) {
      child.send([...faults]);
      await once(child, 'message');
    },
    [Symbol.asyncDispose]: () => endProcess(child.pid ?? 0, 'SIGKILL'),
  };
}
