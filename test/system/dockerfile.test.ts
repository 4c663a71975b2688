import { execFile } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort, startDaemon } from '../support/daemon.ts';
import { tempDir } from '../support/temp-dir.ts';

const test = suite('system/dockerfile');
const run = promisify(execFile);

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const BUILD_MS = 120_000;

interface Step {
  readonly verb: string;
  readonly rest: string;
}

/** The steps of each stage, by its name; the last has none. */
function stages(): ReadonlyMap<string, readonly Step[]> {
  const text = readFileSync(join(REPOSITORY, 'infra/Dockerfile'), 'utf8');
  const lines = text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter(Boolean);
  const found = new Map<string, Step[]>();
  let stage: Step[] = [];
  for (const line of lines) {
    const [, verb = '', rest = ''] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (verb === 'FROM') {
      stage = [];
      found.set(/ AS (\S+)$/.exec(rest)?.[1] ?? 'final', stage);
    } else stage.push({ verb, rest });
  }
  return found;
}

const steps = (stage: string) => stages().get(stage) ?? [];
const step = (verb: string) => steps('final').find((one) => one.verb === verb)?.rest ?? '';

test('runs as a user without rights, given as a number, who may write the cache alone', () => {
  assert.is(step('ARG'), 'UID=65532');
  assert.is(step('USER'), '$' + '{UID}:$' + '{UID}');
  assert.is(step('VOLUME'), '/var/cache/dadip2p');
  assert.match(step('RUN'), /^install -d -o \$\{UID\} -g \$\{UID\} -m 0750 \/var\/cache\/dadip2p$/);
});

test('lets all into the build that it copies, and nothing else', () => {
  const ignore = readFileSync(join(REPOSITORY, 'infra/Dockerfile.dockerignore'), 'utf8');
  const letIn = [...ignore.matchAll(/^!(.+)$/gm)].map(([, name]) => name);
  const copied = [...stages().values()]
    .flat()
    .filter(({ verb, rest }) => verb === 'COPY' && !rest.startsWith('--from'))
    .flatMap(({ rest }) => rest.split(/ +/).slice(0, -1));
  assert.equal([...new Set(copied)].sort(), letIn.sort());
  for (const name of copied) assert.ok(existsSync(join(REPOSITORY, name)), name);
});

test('what it copies is enough to build, and what it builds serves and answers the health check', async () => {
  await using dir = await tempDir();
  chmodSync(dir.path, 0o755);
  const folder = (stage: string) => join(dir.path, stage);
  for (const stage of ['build', 'final']) mkdirSync(folder(stage));
  for (const stage of ['packages', 'build'] as const) {
    for (const { verb, rest } of steps(stage)) {
      if (verb === 'COPY') copy(rest, REPOSITORY, folder('build'));
      // Installing is left out: it is npm's own, and takes the network. The packages are those of this copy.
      else if (verb === 'RUN' && !rest.startsWith('npm install')) {
        await run('sh', ['-c', rest], { cwd: folder('build'), timeout: BUILD_MS });
      }
      if (!existsSync(join(folder('build'), 'node_modules'))) {
        symlinkSync(join(REPOSITORY, 'node_modules'), join(folder('build'), 'node_modules'));
      }
    }
  }
  for (const { verb, rest } of steps('final')) {
    if (verb !== 'COPY') continue;
    const [, from] = /^--from=\S+ \/app\/(\S+)/.exec(rest) ?? [];
    if (from === 'node_modules') symlinkSync(join(REPOSITORY, from), join(folder('final'), from));
    else if (from === undefined) copy(rest, REPOSITORY, folder('final'));
    else copy(`${from} ./`, folder('build'), folder('final'));
  }

  const [port, proxy, admin] = [await freePort(), await freePort(), await freePort()];
  const file = join(dir.path, 'dadip2p.yaml');
  const settings = {
    P2PConfig: { Port: port, CacheConfig: { FileCachePath: join(dir.path, 'cache') } },
    ProxyConfig: { Port: proxy },
    Admin: { Port: admin },
  };
  writeFileSync(file, JSON.stringify(settings));
  const [, ...program] = JSON.parse(step('ENTRYPOINT')) as string[];
  const args = program.map((arg) => arg.replace(/^\/app/, folder('final')));
  const { stdout } = await run(process.execPath, [...args, '--version']);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);

  const [, command, ...check] = JSON.parse(
    `["", ${/CMD \[(.*)\]$/.exec(step('HEALTHCHECK'))?.[1]}]`,
  ) as string[];
  assert.is(command, 'node');
  const isHealthy = () =>
    run(process.execPath, check, { env: { ...process.env, PORT: String(port) } }).then(
      () => true,
      () => false,
    );
  assert.is(await isHealthy(), false);
  const node = await startDaemon(process.execPath, [...args, '-c', file], isHealthy);
  assert.is(await node.stop('SIGTERM'), 0);
});

function copy(rest: string, from: string, to: string): void {
  const names = rest.split(/ +/);
  const target = names.pop() ?? '';
  for (const name of names) {
    cpSync(join(from, name), join(to, target, target.endsWith('/') ? basename(name) : ''), {
      recursive: true,
    });
  }
}

test.run();
