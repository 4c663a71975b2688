import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadSettings } from '../../functions/service/config/load.ts';
import { need } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

const NAME = 'system/systemd';
const test = suite(NAME);
const run = promisify(execFile);

const UNIT = readFileSync(new URL('../../infra/systemd/dadip2p.service', import.meta.url), 'utf8');
const defaults = loadSettings({ text: undefined, file: 'defaults', env: {} });

/** What the unit says of a key; the last counts. */
const value = (key: string) => [...UNIT.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].at(-1)?.[1];

test('lets transfers finish before it kills: longer than the supervisor takes', () => {
  assert.ok(Number(value('TimeoutStopSec')) * 1000 > defaults.Timeouts.Drain + 5_000);
  assert.is(value('KillMode'), 'mixed');
});

test('makes the folder that the cache is in by default, and may write no other but its own', () => {
  assert.is(defaults.P2PConfig.CacheConfig.FileCachePath, `/var/cache/${value('CacheDirectory')}`);
  assert.is(value('ProtectSystem'), 'strict');
  assert.is(value('ReadWritePaths'), undefined);
});

test('starts it again whenever it ends, without giving up', () => {
  assert.is(value('Restart'), 'always');
  assert.is(value('StartLimitBurst'), undefined);
});

need(
  test,
  NAME,
  'systemd-analyze',
)('is a unit that systemd takes without a word, and holds for well hardened', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'dadip2p.service');
  // Verifying asks for the program to be there.
  writeFileSync(file, UNIT.replace('/usr/bin/node', process.execPath));
  const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', file]);
  assert.is(`${stdout}${stderr}`.trim(), '');
  const security = await run('systemd-analyze', ['security', '--offline=yes', '--threshold=25', file]);
  assert.match(security.stdout, /Overall exposure level for dadip2p\.service: [012]\.\d/);
});

test.run();
