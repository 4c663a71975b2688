import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PATIENCE_MS } from '../../support/until.ts';

const test = suite('functions/service/log');

const LOG = fileURLToPath(new URL('../../../functions/service/log.ts', import.meta.url));
const ERRORS = fileURLToPath(new URL('../../../functions/protocol/errors.ts', import.meta.url));

/** What a process prints that runs these statements with `log` at hand. */
async function printed(statements: string, level = 'info'): Promise<string> {
  const code = `
    import { createLog } from ${JSON.stringify(LOG)};
    import { P2PError } from ${JSON.stringify(ERRORS)};
    const log = createLog(${JSON.stringify(level)}, { name: 'test' });
    ${statements}`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', code];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  return stdout;
}

test('prints one line of JSON an event, and no secret in it', async () => {
  const output = await printed(`
    log.info({ url: '/dadip2p/http://u:hunter2@a.test/blob?X-Amz-Signature=hunter2' }, 'first');
    log.info({ target: 'http://a.test/blob?sig=hunter2#hunter2', size: 7 }, 'second');
    log.warn({ authorization: 'Bearer hunter2', cookie: 'a=hunter2' }, 'third');
    log.warn({ headers: { authorization: 'hunter2', 'x-p2p-token': 'hunter2', accept: 'a/b' } }, 'fourth');
    log.error({ settings: { S3: { SecretAccessKey: 'hunter2', Bucket: 'b' } } }, 'fifth');
    log.error({ S3: { SecretAccessKey: 'hunter2' }, Admin: { Tokens: ['hunter2'] } }, 'sixth');
    log.error({ settings: { Admin: { Tokens: ['hunter2'] }, Secret: ['hunter2'] } }, 'nested');
    log.warn({ cause: new P2PError('UPSTREAM_FAILED', 'outer', { cause: new Error('inner') }) }, 'seventh');
    log.debug({}, 'never');
  `);
  assert.not.match(output, 'hunter2');
  const lines = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(
    lines.map(({ event }) => event),
    ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'nested', 'seventh'],
  );
  assert.equal(
    lines.map(({ level }) => level),
    ['info', 'info', 'warn', 'warn', 'error', 'error', 'error', 'warn'],
  );
  for (const line of lines) {
    assert.is(line.name, 'test');
    assert.ok(!Number.isNaN(Date.parse(line.time)));
  }
  assert.match(lines[0].url, 'a.test/blob');
  assert.is(lines[1].size, 7);
  assert.is(lines[3].headers.accept, 'a/b');
  assert.is(lines[4].settings.S3.Bucket, 'b');
  assert.is(lines[7].cause, 'outer: inner');
});

test('takes the level names of DadiP2P', async () => {
  const calls = "log.warn({}, 'warn'); log.error({}, 'error');";
  const events = (output: string) =>
    output
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line).event);
  assert.equal(events(await printed(calls, 'panic')), []);
  assert.equal(events(await printed(calls, 'error')), ['error']);
  assert.equal(events(await printed("log.fatal({}, 'fatal');", 'panic')), ['fatal']);
});

test.run();
