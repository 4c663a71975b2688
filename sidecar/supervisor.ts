import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { P2PError } from '../functions/protocol/errors.ts';
import type { Settings } from '../functions/service/config/settings.ts';
import { type BoundSocket, bindSocket } from './bound-socket.ts';
import { type Listener, type ListenerName, listenersOf, withPorts } from './listeners.ts';
import { FAULT_EXIT_CODE, type WorkerOrder, type WorkerReport } from './worker-messages.ts';

// Descriptors 0 to 2 are the standard streams and 3 is the channel to the supervisor.
const FIRST_SOCKET_FD = 4;

// V8 counts the memory of chunks as if it were heap, and by its own rule marks the whole heap for each few of them
// while a worker's first buffers are filled: a sixth of what a cold pull costs. With this it does so for each 64 MiB.
const WORKER_FLAGS = ['--initial-old-space-size=128'];

/** When a worker that crashed is started anew, and when one that does not end is ended. */
export interface SupervisorDelays {
  /** From the first crash to the next worker. */
  readonly firstMs: number;
  /** The delay doubles with each crash up to this. */
  readonly maxMs: number;
  /** A worker that lived this long starts the count anew. */
  readonly steadyMs: number;
  /** A worker that drains is killed this long after `Timeouts.Drain`. */
  readonly killMs: number;
}

const DELAYS: SupervisorDelays = { firstMs: 100, maxMs: 10_000, steadyMs: 60_000, killMs: 5000 };

/** The ports of a node, as taken. */
export type Ports = Readonly<Partial<Record<ListenerName, number>>>;

/** A node whose worker is started anew whenever it crashes. */
export interface SupervisedNode {
  readonly ports: Ports;
  /** Resolves when the first worker serves; rejects with a fault that no restart would mend. */
  readonly ready: Promise<void>;
  /** Resolves after `stop` when the worker has ended; rejects with a fault that no restart would mend. */
  readonly ended: Promise<void>;
  /** Takes no more connections, lets transfers finish for as long as `Timeouts.Drain` allows, and ends. */
  stop(): void;
  /** Ends the worker at once, whatever it is doing. */
  kill(): void;
}

interface Parts {
  readonly log: Logger;
  /** The module a worker runs; it calls `runWorker`. */
  readonly worker: URL;
  readonly delays?: SupervisorDelays;
}

/**
 * Takes the ports of a node and keeps a worker serving them.
 *
 * The sockets are bound here and inherited by each worker, which accepts on them itself: while none runs,
 * clients wait in the kernel's queue and the next worker serves them. Handing over each connection through
 * the channel instead costs more than half of the connections a second.
 *
 * @throws P2PError CONFIG_INVALID when a port cannot be had; no port is held then.
 */
export async function superviseNode(
  settings: Settings,
  { log, worker, delays }: Parts,
): Promise<SupervisedNode> {
  const listeners = listenersOf(settings);
  const sockets = await bindAll(listeners);
  const ports: Ports = Object.fromEntries(listeners.map(({ name }, at) => [name, sockets[at]?.port]));
  const start: WorkerOrder = {
    type: 'start',
    settings: withPorts(settings, ports),
    listeners: listeners.map((listener, at) => ({
      ...listener,
      port: sockets[at]?.port ?? listener.port,
      fd: FIRST_SOCKET_FD + at,
    })),
  };
  const { firstMs, maxMs, steadyMs, killMs } = delays ?? DELAYS;
  const ready = settleable();
  const ended = settleable();
  let delayMs = firstMs;
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopping = false;

  function launch(): void {
    const startedAtMs = Date.now();
    let fault = 'the worker found a fault that it did not name';
    const running = fork(fileURLToPath(worker), [], {
      execArgv: [...process.execArgv, ...WORKER_FLAGS],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...sockets.map(({ fd }) => fd)],
    });
    child = running;
    running.on('message', (report: WorkerReport) => {
      if (report.type === 'fault') fault = report.message;
      else {
        const { proxy, p2p, admin } = ports;
        log.info({ proxyPort: proxy, p2pPort: p2p, adminPort: admin, workerPid: running.pid }, 'node_ready');
        ready.resolve();
      }
    });
    // A worker that could not be started has no exit, only an error; one that could may have both.
    running.once('error', (error) => {
      log.error({ err: error }, 'worker_failed');
      if (running.pid === undefined) workerEnded(null, null);
    });
    running.once('exit', workerEnded);
    tell(running, start);

    function workerEnded(code: number | null, signal: NodeJS.Signals | null): void {
      child = undefined;
      if (stopping) end();
      else if (code === FAULT_EXIT_CODE) end(new P2PError('CONFIG_INVALID', fault));
      else {
        if (Date.now() - startedAtMs >= steadyMs) delayMs = firstMs;
        log.error({ code, signal, restartInMs: delayMs }, 'worker_crashed');
        timer = setTimeout(launch, delayMs);
        delayMs = Math.min(delayMs * 2, maxMs);
      }
    }
  }

  function beginStop(): void {
    if (!stopping) for (const socket of sockets) socket.close();
    stopping = true;
  }

  function end(fault?: P2PError): void {
    beginStop();
    clearTimeout(timer);
    ready.reject(fault ?? new P2PError('DRAINING', 'the node was stopped before it served'));
    if (fault === undefined) ended.resolve();
    else ended.reject(fault);
  }

  launch();
  return {
    ports,
    ready: ready.promise,
    ended: ended.promise,
    stop() {
      if (stopping) return;
      log.info('node_stopping');
      beginStop();
      const draining = child;
      if (draining === undefined) return end();
      tell(draining, { type: 'drain' });
      timer = setTimeout(() => {
        log.warn({ workerPid: draining.pid }, 'worker_killed');
        draining.kill('SIGKILL');
      }, settings.Timeouts.Drain + killMs);
    },
    kill() {
      beginStop();
      if (child === undefined) end();
      else child.kill('SIGKILL');
    },
  };
}

async function bindAll(listeners: readonly Listener[]): Promise<BoundSocket[]> {
  const bound: BoundSocket[] = [];
  try {
    for (const listener of listeners) bound.push(await bindSocket(listener));
    return bound;
  } catch (error) {
    for (const socket of bound) socket.close();
    throw error;
  }
}

function tell(child: ChildProcess, order: WorkerOrder): void {
  // A worker that is gone cannot be told; its exit says the rest.
  child.send(order, () => undefined);
}

function settleable() {
  let resolve: () => void = () => undefined;
  let reject: (reason: Error) => void = () => undefined;
  const promise = new Promise<void>((...settle) => {
    [resolve, reject] = settle;
  });
  // Whoever does not wait for it has not asked to be told.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
