import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LabFigures } from '../lab/run.ts';
import { need } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

const NAME = 'system/netlab';
const test = suite(NAME);
const run = promisify(execFile);

const LAB = fileURLToPath(new URL('../lab/run.ts', import.meta.url));

need(
  test,
  NAME,
  'ip',
  'iptables',
  'cc',
  'minio',
)(
  'hosts with links of their own that all start at once get right bytes, and the origin sends each once',
  async () => {
    await using dir = await tempDir();
    const file = join(dir.path, 'lab.json');
    const small = ['--only', 'burst', '--agents', '4', '--size', '32MiB', '--chunk', '1MiB', '--json', file];
    await run(process.execPath, ['--import', 'tsx', LAB, ...small]);
    const { figures } = JSON.parse(await readFile(file, 'utf8')) as LabFigures;
    const [burst] = figures;
    assert.is(figures.length, 1);
    assert.equal(
      burst?.pulls.map(({ ending }) => ending),
      ['right', 'right', 'right', 'right'],
    );
    assert.is(burst?.counts.originRequests, 32);
    assert.is(burst?.counts.originBytes, 32 * 2 ** 20);
  },
);

test.run();
