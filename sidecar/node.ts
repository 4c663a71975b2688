import type { Server } from 'node:http';
import { availableParallelism } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { rootApi } from '../functions/root/api.ts';
import { keepHouse } from '../functions/root/keep-house.ts';
import { openRoot } from '../functions/root/root.ts';
import { createAdminApp } from '../functions/service/admin-app.ts';
import type { Settings } from '../functions/service/config/settings.ts';
import type { Logger } from '../functions/service/log.ts';
import { Metrics } from '../functions/service/metrics.ts';
import { Readiness } from '../functions/service/readiness.ts';
import { openAgent } from './agent.ts';
import { createHttpServer, createP2PServer, createProxyServer } from './http-servers.ts';
import { nodeAddress } from './node-address.ts';
import type { WorkerNode } from './run-worker.ts';
import { KernelPages } from './sendfile/kernel-pages.ts';
import { Senders } from './sendfile/senders.ts';
import { openNodeTls } from './tls/node-tls.ts';

const DRAIN_CHECK_MS = 50;
// More than any link takes.
const MAX_SENDERS = 4;

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
  const files = Senders.open(Math.min(MAX_SENDERS, availableParallelism()));
  const pages = KernelPages.open();
  const self = await nodeAddress(settings.P2PConfig);
  const tls = await openNodeTls(settings, self, Date.now());
  const parts = { log, metrics, files, pages, readiness, self, nodeCa, tls };
  const headMs = settings.Timeouts.RequestHead;
  const { handlers, api, handsOver, leave, close } =
    settings.P2PConfig.RunMode === 'root'
      ? await rootNode(settings, parts)
      : await agentNode(settings, parts);
  const admin = createHttpServer(createAdminApp({ readiness, metrics, log, api }).callback(), headMs);
  readiness.serve();
  const servers = Object.values(handlers);
  return {
    handlers: { ...handlers, admin },
    async drain() {
      readiness.drain();
      // Siblings that ask meanwhile are sent on; nobody would tell them if that port were closed.
      for (const server of servers) if (!handsOver || server !== handlers.p2p) server.close();
      await leave();
      const deadlineMs = Date.now() + settings.Timeouts.Drain;
      while ((await connectionsOf(servers)) > 0 && Date.now() < deadlineMs) {
        for (const server of servers) server.closeIdleConnections();
        await wait(DRAIN_CHECK_MS);
      }
    },
    async close() {
      for (const server of [...servers, admin]) server.closeAllConnections();
      await close();
      await files?.close();
    },
  };
}

type NodeParts = Parameters<typeof openAgent>[1];

async function rootNode(settings: Settings, parts: NodeParts) {
  const root = await openRoot(settings, { ...parts, api: rootApi });
  void keepHouse(root.core);
  const p2p = createP2PServer(root.app.callback(), settings.Timeouts.RequestHead, parts.tls);
  // Its API is on the P2P port, for it takes a token.
  return {
    handlers: { p2p },
    api: undefined,
    handsOver: false,
    leave: async () => {},
    close: () => root.close(),
  };
}

async function agentNode(settings: Settings, parts: NodeParts) {
  const agent = await openAgent(settings, parts);
  const headMs = settings.Timeouts.RequestHead;
  const proxy = createProxyServer(agent.proxy.callback(), headMs);
  agent.attachTo(proxy);
  const p2p = createP2PServer(agent.p2p.callback(), headMs, parts.tls);
  return {
    handlers: { proxy, p2p },
    api: agent.api,
    handsOver: agent.handsOver,
    leave: () => agent.leave(),
    close: () => agent.close(),
  };
}

async function connectionsOf(servers: readonly Server[]): Promise<number> {
  const counts = await Promise.all(
    servers.map(
      (server) => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count ?? 0))),
    ),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
