import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { freePort } from '../support/daemon.ts';
import { startOrigin } from '../support/origin.ts';
import { need } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const NAME = 'system/readme';
const test = suite(NAME);
const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

// Packages that npm has had are not asked for again, and what is known of their faults is not either.
const NPM = { npm_config_prefer_offline: 'true', npm_config_audit: 'false' };
// Installing and compiling on a machine that does nothing else takes a third of this.
const INSTALL_MS = 180_000;
const END_MS = 60_000;

/** The command lines in README's shell blocks. */
const LINES = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^```sh\n([\s\S]*?)^```/gm)]
  .flatMap(([, block = '']) => block.split('\n'))
  .map((line) => line.replace(/#.*/, '').trim())
  .filter((line) => line !== '');

const START = 'npm start -- --allow http://my-registry.lan:5000 --dir /var/tmp/dadip2p';
const DOWNLOAD = 'curl -O http://127.0.0.1:19145/dadip2p/http://my-registry.lan:5000/v2/app/blobs/sha256:…';
const RUN = 'node dist/sidecar/main.js -c infra/dadip2p.example.yaml';
const FUNCTION = 'npx serverless offline start';

/** Every line that README may hold; the last column says what shows that it works. */
const SHOWN: Readonly<Record<string, string>> = {
  'npm start': 'here, with the flags of the line below',
  [START]: 'here',
  [DOWNLOAD]: 'here',
  'npm test': 'here, for one file; the rest is this very run',
  'npm run build': 'here',
  [RUN]: 'here',
  [FUNCTION]: 'here',
  'export DADIP2P_P2PConfig__APIKey=$(openssl rand -hex 16)': 'by hand: it makes a secret',
  'npm run deploy -- --stage prod': 'serverless-package, as far as one gets without an account',
  'npm run destroy -- --stage prod': 'serverless-remove, up to what CloudFormation does by itself',
  'npm run sim': 'sim/simulate, small',
  'npm run bench': 'by hand: it measures, and needs a quiet machine',
  'npm run lab': 'netlab, with fewer hosts',
  'npm run faults': 'netlab, some of them',
  'npm run soak': 'by hand: it takes 15 minutes',
  'dadip2p setup containerd -c /etc/dadip2p/dadip2p.yaml': 'setup-pull, on hosts of its own',
  'dadip2p doctor containerd -c /etc/dadip2p/dadip2p.yaml --image docker.io/library/alpine': 'setup-pull',
  'dadip2p explain -c /etc/dadip2p/dadip2p.yaml https://registry-1.docker.io/v2/library/alpine/blobs/sha256:…':
    'system/explain',
  'dadip2p warm registry.k8s.io/kube-proxy:v1.31.0 https://files.example.com/model.bin --root https://… --token …':
    'system/warm',
  'dadip2p uninstall containerd': 'sidecar/setup, on hosts of its own',
};

test('holds no command that nothing shows to work', () => {
  assert.equal(
    LINES.filter((line) => !(line in SHOWN)),
    [],
  );
  assert.ok(LINES.length >= 6);
});

/** The files that git tracks or would, as a fresh clone has them: without node_modules and without a build. */
async function freshCopy(to: string): Promise<void> {
  const { stdout } = await run('git', ['ls-files', '-co', '--exclude-standard', '-z'], { cwd: root });
  for (const file of stdout.split('\0').filter((name) => name !== '')) {
    await mkdir(dirname(join(to, file)), { recursive: true });
    await cp(join(root, file), join(to, file)).catch((error: NodeJS.ErrnoException) => {
      // Deleted, but not committed yet.
      if (error.code !== 'ENOENT') throw error;
    });
  }
}

/** Runs a line of README in a folder, in a process group of its own. */
function type(line: string, cwd: string, env: Readonly<Record<string, string>> = {}) {
  const child = spawn('sh', ['-c', `exec ${line}`], {
    cwd,
    env: { ...process.env, ...NPM, ...env },
    detached: true,
  });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      out += text;
    });
  }
  const ended = once(child, 'exit', { signal: AbortSignal.timeout(INSTALL_MS + END_MS) });
  ended.catch(() => undefined);
  return {
    out: () => out,
    ended,
    signal: (name: NodeJS.Signals) => child.kill(name),
    async shows(what: string, pattern: RegExp) {
      const isThere = () => {
        if (child.exitCode !== null && !pattern.test(out)) throw new Error(`"${line}" ended:\n${out}`);
        return pattern.test(out);
      };
      await until(what, isThere, INSTALL_MS).catch((cause) => {
        throw new Error(out, { cause });
      });
    },
    async [Symbol.asyncDispose]() {
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL');
      } catch {
        // All of them have ended.
      }
    },
  };
}

need(
  test,
  NAME,
  'curl',
)('every command works word by word on a fresh copy, from nothing', async () => {
  await using dir = await tempDir();
  const copy = join(dir.path, 'copy');
  await freshCopy(copy);
  const bytes = blobOf(9_000_000, 'readme');
  const path = `/v2/app/blobs/sha256:${sha256(bytes)}`;
  await using origin = await startOrigin({ blobs: { [path]: bytes } });
  const [p2p, proxy, rootPort, admin] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const here = (line: string) =>
    line
      .replace('http://my-registry.lan:5000', origin.url)
      .replace('/var/tmp/dadip2p', join(dir.path, 'data'))
      .replace('19145', String(p2p))
      .replace('sha256:…', `sha256:${sha256(bytes)}`);

  {
    const ports = `--p2p-port ${p2p} --proxy-port ${proxy} --root-port ${rootPort}`;
    await using started = type(`${here(START)} ${ports}`, copy);
    await started.shows('the line "ready"', /^ready$/m);
    await run('sh', ['-c', here(DOWNLOAD)], { cwd: dir.path });
    assert.is(sha256(readFileSync(join(dir.path, `sha256:${sha256(bytes)}`))), sha256(bytes));
    started.signal('SIGINT');
    await started.ended;
  }
  await run('sh', ['-c', 'npm run build'], { cwd: copy });
  {
    await using node = type(RUN, copy, {
      DADIP2P_P2PConfig__Port: String(p2p),
      DADIP2P_ProxyConfig__Port: String(proxy),
      DADIP2P_Admin__Port: String(admin),
      DADIP2P_P2PConfig__CacheConfig__FileCachePath: join(dir.path, 'cache'),
    });
    await node.shows('a node that is ready', /node_ready/);
    assert.is((await get(`http://127.0.0.1:${p2p}/readyz`)).status, 200);
    assert.is((await get(`http://127.0.0.1:${admin}/metrics`)).status, 200);
    node.signal('SIGTERM');
    assert.is((await node.ended)[0], 0, node.out());
  }
  {
    const port = await freePort();
    await using emulator = type(FUNCTION, copy, {
      OFFLINE_PORT: String(port),
      OFFLINE_LAMBDA_PORT: String(await freePort()),
      DADIP2P_P2PConfig__CacheConfig__FileCachePath: join(dir.path, 'function'),
    });
    await emulator.shows('an emulator that is ready', /Server ready/);
    assert.is((await get(`http://127.0.0.1:${port}/readyz`)).status, 200);
  }
  const { stdout } = await run('sh', ['-c', 'npm test -- protocol/range'], { cwd: copy });
  assert.match(stdout, /^\d+ passed, 0 failed$/m);
});

test.run();
