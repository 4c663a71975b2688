import { createServer, type RequestListener, type Server } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { openRoot } from '../functions/root/root.ts';
import { createAdminApp } from '../functions/service/admin-app.ts';
import type { Settings } from '../functions/service/config/settings.ts';
import type { Logger } from '../functions/service/log.ts';
import { Metrics } from '../functions/service/metrics.ts';
import { Readiness } from '../functions/service/readiness.ts';
import { openAgent } from './agent.ts';
import { nodeAddress } from './node-address.ts';
import type { WorkerNode } from './run-worker.ts';

// Longer than the 60 s after which common load balancers and clients drop an idle connection, so that it is
// they who close it and no request meets a closed one.
const KEEP_ALIVE_MS = 75_000;
const DRAIN_CHECK_MS = 50;

/** What the process brings. */
interface WorldParts {
  readonly log: Logger;
  /** NODE_EXTRA_CA_CERTS. */
  readonly nodeCa: string | undefined;
}

/**
 * A node as its settings say, root or agent, behind servers that do not listen yet.
 *
 * @throws P2PError CONFIG_INVALID when it cannot be run as configured.
 */
export async function createNode(settings: Settings, { log, nodeCa }: WorldParts): Promise<WorkerNode> {
  const metrics = new Metrics();
  const readiness = new Readiness();
  const parts = { log, metrics, readiness, self: await nodeAddress(settings.P2PConfig), nodeCa };
  const admin = serverOf(createAdminApp(readiness, metrics, log).callback());
  const { handlers, close } =
    settings.P2PConfig.RunMode === 'root'
      ? await rootNode(settings, parts)
      : await agentNode(settings, parts);
  readiness.serve();
  const servers = Object.values(handlers);
  return {
    handlers: { ...handlers, admin },
    async drain() {
      readiness.drain();
      const deadlineMs = Date.now() + settings.Timeouts.Drain;
      while ((await connectionsOf(servers)) > 0 && Date.now() < deadlineMs) {
        for (const server of servers) server.closeIdleConnections();
        await wait(DRAIN_CHECK_MS);
      }
    },
    async close() {
      for (const server of [...servers, admin]) server.closeAllConnections();
      await close();
    },
  };
}

type NodeParts = Parameters<typeof openAgent>[1];

async function rootNode(settings: Settings, parts: NodeParts) {
  const root = await openRoot(settings, parts);
  return { handlers: { p2p: serverOf(root.app.callback()) }, close: () => root.close() };
}

async function agentNode(settings: Settings, parts: NodeParts) {
  const agent = await openAgent(settings, parts);
  const proxy = serverOf(agent.proxy.callback());
  agent.attachTo(proxy);
  return { handlers: { proxy, p2p: serverOf(agent.p2p.callback()) }, close: () => agent.close() };
}

function serverOf(listener: RequestListener): Server {
  // A body may take as long as it takes: a slow link is no attack. Heads have Node's own limit.
  return createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 }, listener);
}

async function connectionsOf(servers: readonly Server[]): Promise<number> {
  const counts = await Promise.all(
    servers.map(
      (server) => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count ?? 0))),
    ),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
