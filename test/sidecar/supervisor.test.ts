import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hasCode } from '../../functions/protocol/errors.ts';
import { loadSettings } from '../../functions/service/config/load.ts';
import { type SupervisorDelays, superviseNode } from '../../sidecar/supervisor.ts';
import { get } from '../support/client.ts';
import { PATIENCE_MS, until } from '../support/until.ts';

const test = suite('sidecar/supervisor');

// Supervisors start workers as they were started themselves, and this one is TypeScript.
process.execArgv.push('--import', 'tsx');
const WORKER = new URL('../support/supervised-worker.ts', import.meta.url);
const QUICK: SupervisorDelays = { firstMs: 20, maxMs: 80, steadyMs: 60_000, killMs: 100 };

interface LogLine {
  readonly msg: string;
  readonly restartInMs?: number;
}

async function supervise(more: Record<string, string> = {}, delays = QUICK) {
  const settings = loadSettings({
    text: undefined,
    file: '',
    env: {
      DADIP2P_ProxyConfig__Port: '0',
      DADIP2P_P2PConfig__Port: '0',
      DADIP2P_P2PConfig__Host: '127.0.0.1',
      DADIP2P_Admin__Port: '0',
      ...more,
    },
  });
  const lines: LogLine[] = [];
  const log = pino({ level: 'info' }, { write: (line) => lines.push(JSON.parse(line)) });
  const node = await superviseNode(settings, { log, worker: WORKER, delays });
  return {
    ...node,
    lines,
    delaysTold: () => lines.flatMap(({ restartInMs }) => restartInMs ?? []),
    url: (path: string) => `http://127.0.0.1:${node.ports.p2p}${path}`,
    async [Symbol.asyncDispose]() {
      node.kill();
      await node.ended.catch(() => undefined);
    },
  };
}

const workerOf = async (node: { url(path: string): string }) => Number((await get(node.url('/pid'))).text);

test('serves every port of the settings and tells which they are', async () => {
  await using node = await supervise();
  await node.ready;
  for (const port of [node.ports.proxy, node.ports.p2p, node.ports.admin]) {
    assert.is((await get(`http://127.0.0.1:${port}/pid`)).status, 200);
  }
  assert.ok(node.lines.some(({ msg }) => msg === 'node_ready'));
});

test('opens no proxy port on a root', async () => {
  await using node = await supervise({ DADIP2P_P2PConfig__RunMode: 'root' });
  await node.ready;
  assert.is(node.ports.proxy, undefined);
  assert.is((await get(node.url('/pid'))).status, 200);
});

test('a client that connects while no worker runs is served by the next one', async () => {
  await using node = await supervise({}, { ...QUICK, firstMs: 300 });
  await node.ready;
  const killed = await workerOf(node);
  process.kill(killed, 'SIGKILL');
  await until('the crash to be noticed', () => node.delaysTold().length === 1);
  const served = await Promise.all(Array.from({ length: 50 }, () => workerOf(node)));
  assert.ok(served.every((pid) => pid > 0 && pid !== killed));
});

test('keeps its ports over a restart', async () => {
  await using node = await supervise();
  await node.ready;
  for (let crash = 1; crash <= 3; crash++) process.kill(await workerOf(node), 'SIGKILL');
  assert.ok((await workerOf(node)) > 0);
});

test('waits twice as long after each crash, up to a bound', async () => {
  await using node = await supervise({ DADIP2P_P2PConfig__APIKey: 'crash' });
  await until('five crashes', () => node.delaysTold().length >= 5);
  assert.equal(node.delaysTold().slice(0, 5), [20, 40, 80, 80, 80]);
});

test('counts anew after a worker that lived long', async () => {
  await using node = await supervise({}, { ...QUICK, steadyMs: 1 });
  await node.ready;
  for (let crash = 1; crash <= 3; crash++) {
    process.kill(await workerOf(node), 'SIGKILL');
    await until('the crash to be noticed', () => node.delaysTold().length === crash);
  }
  assert.equal(node.delaysTold(), [20, 20, 20]);
});

test('stop lets a transfer finish and takes no new connection', async () => {
  await using node = await supervise();
  await node.ready;
  const transfer = get(node.url('/slow'));
  // Connections are accepted in order, so the transfer has begun once a later request is answered.
  await workerOf(node);
  node.stop();
  assert.is((await transfer).text, 'whole');
  await node.ended;
  assert.is((await get(node.url('/pid'))).status, 0);
});

test('kills a worker that does not end in its time', async () => {
  await using node = await supervise({
    DADIP2P_P2PConfig__APIKey: 'hang',
    DADIP2P_Timeouts__Drain: '1',
  });
  await node.ready;
  node.stop();
  await node.ended;
  assert.ok(node.lines.some(({ msg }) => msg === 'worker_killed'));
});

test('a fault at the start is told and not tried again', async () => {
  await using node = await supervise({ DADIP2P_P2PConfig__APIKey: 'fault' });
  const fault = await node.ready.catch((error: unknown) => error);
  assert.ok(hasCode(fault, 'CONFIG_INVALID'), String(fault));
  assert.match(fault.message, 'the fixture refuses this key');
  assert.equal(node.delaysTold(), []);
});

test('a port in use is told with address, port and setting', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const fault = await supervise({ DADIP2P_Admin__Port: String(port) }).catch((error: unknown) => error);
  other.close();
  assert.ok(hasCode(fault, 'CONFIG_INVALID'), String(fault));
  assert.match(
    fault.message,
    `Admin.Port: cannot listen on 127.0.0.1 port ${port}: another program listens there`,
  );
});

test('an address that this machine does not have is told', async () => {
  const fault = await supervise({ DADIP2P_Admin__Host: '192.0.2.1' }).catch((error: unknown) => error);
  assert.ok(hasCode(fault, 'CONFIG_INVALID'), String(fault));
  assert.match(fault.message, 'this machine has no such address');
});

test('a worker ends when its supervisor does', async () => {
  const supervisor = spawn(process.execPath, [
    '--import',
    'tsx',
    fileURLToPath(new URL('../support/supervise.ts', import.meta.url)),
  ]);
  const [line] = await once(supervisor.stdout, 'data', { signal: AbortSignal.timeout(PATIENCE_MS) });
  const workerPid = Number(line);
  assert.ok(isAlive(workerPid));
  supervisor.kill('SIGKILL');
  await until('the worker to end', () => !isAlive(workerPid));
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test.run();
