import { once } from 'node:events';
import type { Server } from 'node:http';
import process from 'node:process';
import type { Logger } from 'pino';
import { hasCode, P2PError } from '../functions/protocol/errors.ts';
import type { Settings } from '../functions/service/config/settings.ts';
import { createLog } from '../functions/service/log.ts';
import { cannotListen } from './bound-socket.ts';
import type { Listener, ListenerName } from './listeners.ts';
import { FAULT_EXIT_CODE, type WorkerOrder, type WorkerReport } from './worker-messages.ts';

// As many clients as wait while a worker is started anew; the kernel bounds it by net.core.somaxconn.
const BACKLOG = 4096;

/** A node that serves; its servers are made to listen by whoever runs it. */
export interface WorkerNode {
  readonly handlers: Readonly<Partial<Record<ListenerName, Server>>>;
  /** Begins nothing new but what is for others to hear; resolves when the transfers under way have ended. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Makes this process the worker of a supervisor: serves on the sockets it is given until it is told to drain,
 * and ends when the supervisor does.
 */
export function runWorker(create: (settings: Settings, parts: { log: Logger }) => Promise<WorkerNode>): void {
  let node: WorkerNode | undefined;
  // A terminal and systemd signal the whole group; when to end is for the supervisor to say.
  process.on('SIGTERM', () => undefined);
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => process.exit(1));
  process.on('message', async (order: WorkerOrder) => {
    if (order.type === 'drain') {
      await (node && drain(node));
      process.exit(0);
    }
    try {
      const log = createLog(order.settings.LogLevel, { name: order.settings.P2PConfig.RunMode });
      node = await create(order.settings, { log });
      await Promise.all(order.listeners.map((listener) => listen(node?.handlers[listener.name], listener)));
      await report({ type: 'ready' });
    } catch (error) {
      if (!hasCode(error, 'CONFIG_INVALID')) throw error;
      await report({ type: 'fault', message: error.message });
      process.exit(FAULT_EXIT_CODE);
    }
  });
}

async function listen(
  server: Server | undefined,
  listener: Listener & { readonly fd: number },
): Promise<void> {
  if (server === undefined) throw new P2PError('CONFIG_INVALID', `nothing serves the ${listener.name} port`);
  server.listen({ fd: listener.fd }, BACKLOG);
  await once(server, 'listening').catch((error: NodeJS.ErrnoException) => {
    throw cannotListen(listener, error.code ?? error.message);
  });
}

async function drain(node: WorkerNode): Promise<void> {
  // Whoever asks the admin port whether this node is ready is answered to the end.
  await node.drain();
  await node.close();
}

const report = (message: WorkerReport) =>
  new Promise<void>((resolve) => {
    // A failure means that the supervisor is gone, and `disconnect` says so too.
    process.send?.(message, () => resolve());
  });
