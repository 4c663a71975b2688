import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from './blob-of.ts';
import { get } from './client.ts';
import { isRunning } from './daemon.ts';
import { startNode } from './node-process.ts';
import { startOrigin } from './origin.ts';
import { need } from './programs.ts';

const NAME = 'support/node-process';
const test = suite(NAME);

test('runs a node until it is disposed of, worker included', async () => {
  await using origin = await startOrigin();
  const bytes = blobOf(100_000, 'node');
  const url = origin.put('/b', bytes);
  let pids: number[];
  {
    await using node = await startNode({ settings: { Origins: [origin.url] } });
    assert.is((await get(`${node.url}/dadip2p/${url}`)).digest, sha256(bytes));
    assert.ok(node.rssBytes() > 10_000_000, `${node.rssBytes()} bytes`);
    assert.ok(node.adminPort > 0 && node.proxyPort > 0);
    const first = node.workerPid;
    const second = await node.killWorker();
    assert.is.not(second, first);
    assert.is((await get(`${node.url}/dadip2p/${url}`)).digest, sha256(bytes));
    pids = [node.pid, first, second];
    assert.is(isRunning(second), true);
  }
  for (const pid of pids) assert.is(isRunning(pid), false);
});

test('gives the exit code of a node that stops on a signal', async () => {
  await using node = await startNode({ settings: { P2PConfig: { RunMode: 'root' } } });
  assert.is(node.proxyPort, 0);
  assert.is(await node.stop('SIGTERM'), 0);
});

test('says what a node printed that does not start', async () => {
  const settings = { P2PConfig: { Port: 'x' } };
  const error = await startNode({ settings }).then(
    () => undefined,
    (error: Error) => error,
  );
  assert.match(String(error?.message), 'P2PConfig.Port');
});

need(
  test,
  NAME,
  'tmpfs',
)('a node knows the names that it is given, and nobody else does', async () => {
  await using origin = await startOrigin();
  const bytes = blobOf(1000, 'hosts');
  origin.put('/b', bytes);
  const named = `http://registry.test:${origin.port}`;
  const settings = { Origins: [named] };
  await using node = await startNode({ settings, hosts: { 'registry.test': '127.0.0.1' } });
  assert.is((await get(`${node.url}/dadip2p/${named}/b`)).digest, sha256(bytes));
  await using other = await startNode({ settings });
  assert.is((await get(`${other.url}/dadip2p/${named}/b`)).status, 502);
});

test.run();
