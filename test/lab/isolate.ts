import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { canMount } from '../support/temp-dir.ts';

const MARK = 'LAB_IS_ISOLATED';
// /run is where ip keeps the names of namespaces, and iptables its lock; nothing of the machine's own is needed there.
const PREPARE = 'mount -t tmpfs -o size=90% lab /run && mkdir -p /run/netns /run/tmp && exec "$@"';

/**
 * Runs a program that needs the lab: `main`, in namespaces of its own, with the arguments of this process; `main` gives
 * the exit code. Does not return.
 */
export async function runInLab(main: (args: readonly string[]) => Promise<number>): Promise<never> {
  const isIsolated = process.env[MARK] === '1' && process.pid === 1;
  const ended = isIsolated ? main(process.argv.slice(2)) : runIsolated();
  const code = await ended.catch((error: unknown) => {
    console.error(error);
    return 1;
  });
  // What a failure left open would keep this process, and so the whole lab.
  process.exit(code);
}

/**
 * This program again with the same arguments, as the first process of namespaces of its own: network, mounts and
 * processes. All that it makes there, hosts, file systems and programs, ends with it, however it ends: the kernel
 * sees to that, not a handler. Temporary files are in memory. Gives its exit code.
 *
 * @throws Error where that is not possible: it takes root on Linux.
 */
async function runIsolated(): Promise<number> {
  if (!canMount()) throw new Error('the lab makes network namespaces, which takes root on Linux');
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn('unshare', [...namespaces, 'sh', '-c', PREPARE, 'sh', ...self], {
    env: { ...process.env, [MARK]: '1', TMPDIR: '/run/tmp' },
    stdio: 'inherit',
  });
  // The first process of a namespace gets no signal that it has no handler for, so it is ended from here.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => child.kill('SIGKILL'));
  const [code] = await once(child, 'exit');
  return code ?? 1;
}
