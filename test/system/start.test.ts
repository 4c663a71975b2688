import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { startMinio } from '../support/minio.ts';
import { programCommand } from '../support/node-process.ts';
import { startOrigin } from '../support/origin.ts';
import { need } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { PATIENCE_MS, until } from '../support/until.ts';

const NAME = 'system/start';
const test = suite(NAME);
const run = promisify(execFile);

interface Started extends AsyncDisposable {
  /** What it has printed to its standard output. */
  out(): string;
  /** All that it has printed. */
  all(): string;
  /** The URL of the curl line it printed. */
  url(): string;
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** `dadip2p start` on free ports, as `npm start` runs it. */
function start(dir: string, more: readonly string[], env: Readonly<Record<string, string>> = {}): Started {
  const ports = ['--p2p-port', '0', '--proxy-port', '0', '--root-port', '0'];
  const [command, args] = programCommand();
  const child = spawn(command, [...args, 'start', ...ports, '--dir', dir, ...more], {
    env: { ...process.env, ...env },
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  const ended = once(child, 'exit', { signal: AbortSignal.timeout(2 * PATIENCE_MS) }).then(
    ([code, signal]) => (code ?? signal) as number | NodeJS.Signals,
  );
  ended.catch(() => undefined);
  return {
    out: () => out,
    all: () => out + err,
    url: () => /curl -L (\S+)/.exec(out)?.[1] ?? '',
    signal: (name) => child.kill(name),
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended.catch(() => undefined);
    },
  };
}

const ready = (started: Started) =>
  until('the line "ready"', () => /^ready$/m.test(started.out())).catch((cause) => {
    throw new Error(started.all(), { cause });
  });

need(
  test,
  NAME,
  'curl',
)(
  'one command serves: the curl line and the proxy line that it prints work, and Ctrl-C ends it',
  async () => {
    const bytes = blobOf(9_000_000, 'start');
    await using origin = await startOrigin({ blobs: { '/': bytes } });
    await using dir = await tempDir();
    await using started = start(dir.path, ['--allow', origin.url]);
    await ready(started);
    const line = /^ {2}download +(curl .+)$/m.exec(started.out())?.[1] ?? '';
    const file = join(dir.path, 'file');
    // As a user pastes it.
    await run('sh', ['-c', `${line} -sS -o ${file}`], { timeout: PATIENCE_MS });
    assert.is(sha256(readFileSync(file)), sha256(bytes));
    assert.match(line, new RegExp(`/dadip2p/${origin.url}/$`));

    const digest = sha256(bytes);
    const url = origin.put(`/v2/start/blobs/sha256:${digest}`, bytes);
    const exported = /^ {2}by proxy +(export .+)$/m.exec(started.out())?.[1] ?? '';
    for (const turn of ['cold', 'warm']) {
      await run('sh', ['-c', `${exported}; curl --noproxy '' -sS -o ${file} ${url}`], {
        timeout: PATIENCE_MS,
      });
      assert.is(sha256(readFileSync(file)), digest, turn);
    }
    assert.is(
      origin.hits.filter(({ url: path }) => path.includes(digest)).length,
      3,
      'one request a chunk, once',
    );
    for (const node of ['agent', 'root']) assert.ok(existsSync(join(dir.path, node, 'v1')), node);

    started.signal('SIGINT');
    assert.is(await started.ended, 0);
    assert.not.match(started.all(), /\n {4}at /);
    assert.is((await get(started.url())).status, 0, 'nothing listens any more');
  },
);

test('started several times at once on other ports, all of them serve', async () => {
  await using dir = await tempDir();
  const at = (name: string) => start(join(dir.path, name), []);
  await using one = at('one');
  await using two = at('two');
  await using three = at('three');
  const some = [one, two, three];
  await Promise.all(some.map(ready));
  const admins = some.map((started) => /(\d+) admin,/.exec(started.out())?.[1]);
  assert.is(new Set(admins).size, 3, admins.join(' '));
});

test('started again on the same folder, it serves what it had without the origin', async () => {
  const bytes = blobOf(5_000_000, 'again');
  const path = `/v2/start/blobs/sha256:${sha256(bytes)}`;
  await using origin = await startOrigin({ blobs: { [path]: bytes } });
  await using dir = await tempDir();
  const urlOf = (started: Started) => started.url().replace(/\/$/, path);
  for (const turn of ['first', 'second']) {
    await using started = start(dir.path, ['--allow', origin.url]);
    await ready(started);
    assert.is((await get(urlOf(started))).digest, sha256(bytes), turn);
    started.signal('SIGTERM');
    assert.is(await started.ended, 0, turn);
    if (turn === 'first') assert.ok(origin.hits.length > 0);
    else assert.is(origin.hits.length, 0, 'it came from the folder');
    origin.forget();
    origin.always = { reset: true };
  }
});

need(
  test,
  NAME,
  'minio',
)('with --s3 the root keeps its chunks in a bucket there', async () => {
  await using s3 = await startMinio();
  const bytes = blobOf(5_000_000, 'with S3');
  await using origin = await startOrigin({ blobs: { '/': bytes } });
  const keys = { AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey };
  const flags = ['--allow', origin.url, '--s3', s3.endpoint];
  {
    await using dir = await tempDir();
    await using started = start(dir.path, flags, keys);
    await ready(started);
    assert.match(started.out(), s3.endpoint);
    assert.is((await get(started.url())).digest, sha256(bytes));
    started.signal('SIGINT');
    assert.is(await started.ended, 0);
  }
  // An empty folder: what is known is known from the bucket.
  origin.forget();
  await using dir = await tempDir();
  await using again = start(dir.path, flags, keys);
  await ready(again);
  assert.is((await get(again.url())).digest, sha256(bytes));
  assert.is(origin.bytesSent, 0);
});

test('what cannot be started says why and ends with code 1', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'file');
  await writeFile(file, '');
  const faults: Readonly<Record<string, readonly [flags: string[], remedy: RegExp]>> = {
    'a port that is none': [['--p2p-port', '70000'], /--p2p-port/],
    'an origin that is none': [['--allow', 'ftp://a'], /Origins/],
    'S3 that is not there': [['--s3', 'http://127.0.0.1:1'], /S3/],
    // Root and agent start side by side: either may be the first to say so.
    'a folder that cannot be made': [
      ['--dir', `${file}/below`],
      /(?:FileCachePath: cannot write|CertPath cannot be read:) .*ENOTDIR/,
    ],
  };
  for (const [name, [flags, remedy]] of Object.entries(faults)) {
    await using started = start(dir.path, flags, { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' });
    assert.is(await started.ended, 1, name);
    assert.match(started.all(), remedy);
    assert.not.match(started.out(), /^ready$/m);
    assert.not.match(started.all(), /\n {4}at /, `${name}: no stack`);
  }
});

test.run();
