import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { P2PError } from '../../functions/protocol/errors.ts';
import { runWorker } from '../../sidecar/run-worker.ts';

// The smallest node a supervisor can run. What it does is said by the APIKey it is given and the path it is
// asked: /pid answers who serves, /slow answers when a drain has begun.
runWorker(async ({ P2PConfig }) => {
  if (P2PConfig.APIKey === 'fault') throw new P2PError('CONFIG_INVALID', 'the fixture refuses this key');
  if (P2PConfig.APIKey === 'crash') process.exit(1);
  const slow: ServerResponse[] = [];
  const serve = () =>
    createServer((request, response) => {
      if (request.url === '/slow') slow.push(response.writeHead(200));
      else response.end(String(process.pid));
      if (request.url === '/slow') response.flushHeaders();
    });
  const handlers = { proxy: serve(), p2p: serve(), admin: serve() };
  return {
    handlers,
    async drain() {
      if (P2PConfig.APIKey === 'hang') await wait(600_000);
      for (const response of slow) response.end('whole');
    },
    async close() {},
  };
});
