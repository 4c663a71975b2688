import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { chunkFiles, flipBit } from '../support/cache-files.ts';
import { download, get } from '../support/client.ts';
import { isRunning } from '../support/daemon.ts';
import { type NodeProcess, startNode } from '../support/node-process.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { startAgent, through } from '../support/pair.ts';
import { until } from '../support/until.ts';

const test = suite('system/crash');

const CHUNK = 64 * 1024;
const CHUNKS = 32;
const blob = blobOf(CHUNKS * CHUNK, 'crash');
const PATH = `/v2/crash/blobs/sha256:${sha256(blob)}`;
// So that nothing is served from memory.
const SMALL_MEMORY = { MemCacheSize: '1MiB' };

/** An agent that reads the origin itself: what crashes here is the node, whatever its upstream is. */
const startAlone = (origin: Origin, CacheConfig: Readonly<Record<string, string>> = {}) =>
  startAgent({ origins: [origin.url], agent: { P2PConfig: { CacheConfig } } }, []);

const allOnDisk = (node: NodeProcess) =>
  until('every chunk on disk', async () => (await chunkFiles(node.cacheDir)).length === CHUNKS);

test('a worker killed during a transfer is back by itself, on the same ports, below the same supervisor', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: blob }, bitsPerSecond: 16e6 });
  await using node = await startAlone(origin);
  const [pid, url] = [node.pid, node.url];
  const first = node.workerPid;
  let killed: Promise<number> | undefined;
  const broken = await download(through(node, origin.url + PATH), {
    onPiece() {
      killed ??= node.killWorker();
    },
  });
  assert.is(broken.complete, false, 'a transfer that the crash cut is not taken for whole');
  assert.ok(broken.size < blob.length);

  // Connected while no worker runs: it waits in the queue of the socket and is served by the next one.
  const meanwhile = download(`${url}/dadip2p/${origin.url}${PATH}`);
  const second = await killed;
  assert.ok(second !== undefined && second !== first);
  assert.is(isRunning(first), false);
  assert.is(isRunning(pid), true);
  assert.is(node.pid, pid);
  const answer = await meanwhile;
  assert.is(answer.status, 200);
  assert.is(answer.digest, sha256(blob));
  assert.is(node.logs('worker_crashed').length, 1);
  for (const port of [node.p2pPort, node.proxyPort, node.adminPort]) {
    assert.is((await get(`http://127.0.0.1:${port}/healthz`)).status, 200);
  }
});

test('killed again and again during writes, it never serves a wrong byte, and keeps what was whole', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: blob } });
  await using node = await startAlone(origin);
  for (const index of [1, 2, 3]) {
    // Of another version each time, so that each has writes to be killed in.
    const bytes = blobOf(CHUNKS * CHUNK, `crash ${index}`);
    const url = through(node, origin.put(`/v2/c/blobs/sha256:${sha256(bytes)}`, bytes));
    let killed: Promise<number> | undefined;
    await download(url, {
      onPiece() {
        if (origin.hits.length > index * 4) killed ??= node.killWorker();
      },
    });
    await killed;
    const answer = await download(url);
    assert.is(answer.complete, true);
    assert.is(answer.digest, sha256(bytes));
  }
  const temporary = () => readdir(join(node.cacheDir, 'v1/.tmp'));
  // The last chunks may still be on their way to the disk.
  await until('no half-written file to be left', async () => (await temporary()).length === 0);
});

test('what was cached is served after a crash and after a restart, without the origin', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: blob } });
  await using node = await startAlone(origin, SMALL_MEMORY);
  const url = origin.url + PATH;
  assert.is((await download(through(node, url))).digest, sha256(blob));
  await allOnDisk(node);
  origin.forget();
  origin.always = { reset: true };
  await node.killWorker();
  const answer = await download(through(node, url));
  assert.is(answer.digest, sha256(blob));
  assert.match(String(answer.headers['cache-status']), /; hit$/);
  assert.is(await node.stop('SIGKILL'), 'SIGKILL');
  await using again = await startNode({ settings: node.settings });
  assert.is((await download(through(again, url))).digest, sha256(blob));
  assert.is(origin.hits.length, 0);
});

test('a torn, grown, bit-flipped or swapped chunk file is never served, and is fetched anew', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: blob } });
  await using node = await startAlone(origin);
  const url = origin.url + PATH;
  assert.is((await download(through(node, url))).digest, sha256(blob));
  await allOnDisk(node);
  assert.is(await node.stop(), 0);
  const files = await chunkFiles(node.cacheDir);
  const file = (index: number) => files[index] as string;
  await truncate(file(2), 1000);
  await truncate(file(3), 0);
  await truncate(file(4), (await stat(file(4))).size + 10);
  await flipBit(file(5), 12_345);
  // The seal itself.
  await flipBit(file(6), CHUNK + 3);
  await swap(file(7), file(8));
  const damaged = 7;

  origin.forget();
  await using again = await startNode({ settings: node.settings });
  const answer = await download(through(again, url));
  assert.is(answer.complete, true);
  assert.is(answer.digest, sha256(blob));
  assert.is(origin.bytesSent, damaged * CHUNK, 'only what was damaged was fetched');
  assert.is(origin.hits.length, damaged);
});

test('SIGTERM lets the running transfer end whole, refuses new connections, and ends with code 0', async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using origin = await startOrigin();
  const url = origin.route(PATH, async (request, response) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const [start, end] = [Number(first), Math.min(blob.length, Number(last) + 1)];
    const head = {
      'content-range': `bytes ${start}-${end - 1}/${blob.length}`,
      'content-length': end - start,
    };
    if (start > 0) await gate;
    response.writeHead(206, head).end(blob.subarray(start, end));
  });
  await using node = await startAlone(origin);
  const ports = [node.p2pPort, node.proxyPort];
  let stopped: Promise<number | NodeJS.Signals> | undefined;
  const answer = await download(through(node, url), {
    async onPiece() {
      if (stopped !== undefined) return;
      stopped = node.stop('SIGTERM');
      for (const port of ports) await until(`port ${port} to refuse`, async () => !(await accepts(port)));
      release();
    },
  });
  assert.is(answer.complete, true);
  assert.is(answer.digest, sha256(blob));
  assert.is(await stopped, 0);
  assert.is(node.logs('worker_crashed').length, 0);
});

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function swap(a: string, b: string): Promise<void> {
  const [inA, inB] = [await readFile(a), await readFile(b)];
  await writeFile(a, inB);
  await writeFile(b, inA);
}

test.run();
