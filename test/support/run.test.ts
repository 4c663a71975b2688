import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isRunning } from './daemon.ts';
import { tempDir } from './temp-dir.ts';

// Whatever the runner lets pass is a failure that nobody sees.
const test = suite('support/run');

const RUN = fileURLToPath(new URL('../run.ts', import.meta.url));
const HEAD = `
  import { suite } from ${JSON.stringify(fileURLToPath(import.meta.resolve('uvu')))};
  import { need } from ${JSON.stringify(fileURLToPath(new URL('programs.ts', import.meta.url)))};
  const test = suite('probe');
`;
const PASS = `test('passes', () => {});`;

/** Runs the runner over test files with these bodies; gives its exit code and what it printed. */
async function runFiles(bodies: Record<string, string>, args: string[] = [], env: NodeJS.ProcessEnv = {}) {
  await using dir = await tempDir();
  for (const [name, body] of Object.entries(bodies)) {
    await writeFile(join(dir.path, `${name}.test.ts`), HEAD + body);
  }
  const command = ['--import', 'tsx', RUN, '--dir', dir.path, ...args];
  const full = { ...process.env, NO_INSTALL: '1', REQUIRE_REAL: '', ...env };
  return await new Promise<{ code: number; text: string; last: string | undefined }>((resolve) => {
    const done = (error: Error | null, stdout: string, stderr: string) =>
      resolve({
        code: error === null ? 0 : Number((error as NodeJS.ErrnoException).code),
        text: stdout + stderr,
        last: stdout.trimEnd().split('\n').at(-1),
      });
    execFile(process.execPath, command, { env: full, signal: AbortSignal.timeout(60_000) }, done);
  });
}

test('succeeds when every test of every file passed', async () => {
  const run = await runFiles({ a: `${PASS} test.run();`, b: `${PASS}${PASS} test.run();` });
  assert.equal([run.code, run.last], [0, '3 passed, 0 failed']);
});

test('fails on a failed test, shows why, and still runs the other files', async () => {
  const run = await runFiles({
    a: `test('x', () => { throw new Error('why it broke'); }); test.run();`,
    b: `${PASS} test.run();`,
  });
  assert.equal([run.code, run.last], [1, '1 passed, 1 failed']);
  assert.match(run.text, 'why it broke');
});

for (const [title, body, complaint] of [
  ['forgets .run()', PASS, 'no suite was run'],
  ['has an empty suite', 'test.run();', 'empty'],
  ['leaves .only in', `${PASS} test.only('one', () => {}); test.run();`, 'held back'],
  ['leaves .skip in', `${PASS} test.skip('one', () => {}); test.run();`, 'held back'],
  ['throws in a hook', `test.before(() => { throw new Error(); }); ${PASS} test.run();`, ''],
  ['throws while it is loaded', `throw new Error('at load');`, 'before its tests were finished'],
  [
    'exits with success in a test',
    `test('x', () => process.exit(0)); test.run();`,
    'before its tests were finished',
  ],
  [
    'waits for what never comes',
    `test('x', () => new Promise(() => {})); test.run();`,
    'before its tests were finished',
  ],
  [
    'rejects behind the back of a test',
    `test('x', () => { void Promise.reject(new Error()); }); test.run();`,
    '',
  ],
  [
    'fails after its tests',
    `${PASS} test.run(); setTimeout(() => { throw new Error(); }, 500);`,
    'after its tests',
  ],
] as const) {
  test(`fails when a file ${title}`, async () => {
    const run = await runFiles({ a: body });
    assert.is(run.code, 1, run.text);
    assert.match(String(run.last), /^\d+ passed, [1-9]\d* failed$/);
    assert.match(run.text, complaint);
  });
}

test('fails for a file that does not compile, says where, and still runs the others', async () => {
  const run = await runFiles({ a: 'const = 1;', b: `${PASS} test.run();` });
  assert.equal([run.code, run.last], [1, '1 passed, 1 failed']);
  assert.match(run.text, /a\.test\.ts:\d+:\d+/);
});

test('kills a file that hangs, with what it started, and names it', async () => {
  const body = `
    import { spawn } from 'node:child_process';
    test('x', async () => {
      const { pid } = spawn('sleep', ['1000'], { stdio: 'inherit' });
      console.log('started ' + pid);
      await new Promise((resolve) => setTimeout(resolve, 100_000));
    });
    test.run();`;
  const run = await runFiles({ stuck: body }, ['--limit', '3']);
  assert.equal([run.code, run.last], [1, '0 passed, 1 failed']);
  assert.match(run.text, /stuck\.test\.ts/);
  assert.match(run.text, /hung/);
  const pid = Number(/started (\d+)/.exec(run.text)?.[1]);
  assert.is(isRunning(pid), false);
});

test('counts a skip for a missing program, with one line that says why', async () => {
  const body = `${PASS} need(test, 'probe', 'minio')('s3', () => {}); test.run();`;
  const nothing = { MINIO: '/nonexistent', PATH: '/nonexistent' };
  const run = await runFiles({ a: body }, [], nothing);
  assert.equal([run.code, run.last], [0, '1 passed, 0 failed, 1 skipped']);
  assert.is(run.text.match(/^SKIPPED {2}probe: s3: needs minio/gm)?.length, 1);
  const strict = await runFiles({ a: body }, [], { ...nothing, REQUIRE_REAL: '1' });
  assert.equal([strict.code, strict.last], [1, '1 passed, 1 failed']);
});

test('skips a whole suite for a missing program', async () => {
  const run = await runFiles(
    { a: `${PASS} need(test, 'probe', 'minio').run();`, b: `${PASS} test.run();` },
    [],
    {
      MINIO: '/nonexistent',
      PATH: '/nonexistent',
    },
  );
  assert.equal([run.code, run.last], [0, '1 passed, 0 failed, 1 skipped']);
});

test('fails when no file matches', async () => {
  const run = await runFiles({ a: `${PASS} test.run();` }, ['nothing-like-it']);
  assert.equal([run.code, run.last], [1, '0 passed, 0 failed']);
});

test('runs only the files that match a word', async () => {
  const run = await runFiles({ one: `${PASS} test.run();`, two: `${PASS}${PASS} test.run();` }, ['tw']);
  assert.equal([run.code, run.last], [0, '2 passed, 0 failed']);
});

test.run();
