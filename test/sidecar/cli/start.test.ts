import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { get } from '../../support/client.ts';
import { programCommand } from '../../support/node-process.ts';
import { startOrigin } from '../../support/origin.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const test = suite('sidecar/cli/start');

const [PROGRAM, PROGRAM_ARGS] = programCommand();

interface Started extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly ended: Promise<number>;
  out(): string;
  err(): string;
}

/** `dadip2p start` on free ports, unless told others. */
function start(dir: string, ...more: string[]): Started {
  const ports = ['--p2p-port', '0', '--proxy-port', '0', '--root-port', '0'];
  const child = spawn(PROGRAM, [...PROGRAM_ARGS, 'start', ...ports, '--dir', dir, ...more]);
  const ended = once(child, 'exit').then(([code]) => code as number);
  let out = '';
  let err = '';
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  return {
    process: child,
    ended,
    out: () => out,
    err: () => err,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const ready = (started: Started) => until('the line "ready"', () => /^ready$/m.test(started.out()), 30_000);

test('prints a curl line that downloads, once both nodes serve', async () => {
  const blob = blobOf(300_000, 'start');
  await using origin = await startOrigin({ blobs: { '/': blob } });
  await using dir = await tempDir();
  await using started = start(dir.path, '--allow', origin.url);
  await ready(started);
  const url = /curl -L (\S+)/.exec(started.out())?.[1] ?? '';
  assert.ok(url.endsWith(`/dadip2p/${origin.url}/`), url);
  assert.is((await get(url)).digest, sha256(blob));
});

test('SIGTERM ends both nodes and gives their ports up', async () => {
  await using dir = await tempDir();
  await using started = start(dir.path);
  await ready(started);
  started.process.kill('SIGTERM');
  assert.is(await started.ended, 0);
  const ports =
    /^ {2}ports +(\d+) P2P, (\d+) proxy, (\d+) admin, (\d+) root/m.exec(started.out())?.slice(1) ?? [];
  assert.is(ports.length, 4);
  for (const port of ports) assert.is((await get(`http://127.0.0.1:${port}/healthz`)).status, 0);
});

test('a second start on other ports does not fail for the admin port', async () => {
  await using dir = await tempDir();
  await using first = start(`${dir.path}/first`);
  await ready(first);
  await using second = start(`${dir.path}/second`);
  await ready(second);
});

test('a port in use is told with the flag that chooses another', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  await using dir = await tempDir();
  await using started = start(dir.path, '--root-port', String(port));
  assert.is(await started.ended, 1);
  other.close();
  assert.match(started.err(), `root (--root-port): P2PConfig.Port: cannot listen on 127.0.0.1 port ${port}`);
});

test.run();
