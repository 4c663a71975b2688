import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { FaultFigures } from '../lab/faults/run.ts';
import type { LabFigures } from '../lab/run.ts';
import { WAY_NAMES } from '../lab/ways.ts';
import { need } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

const NAME = 'system/netlab';
const test = suite(NAME);
const run = promisify(execFile);

const HOSTS = 4;
const CHUNKS = 32;

/** Runs one of the lab's programs and gives the figures that it writes down. */
async function runLab<T>(program: string, ...args: string[]): Promise<T> {
  await using dir = await tempDir();
  const file = join(dir.path, 'figures.json');
  const path = fileURLToPath(new URL(`../lab/${program}`, import.meta.url));
  // Its exit code tells of goals that a run under test does not have; the figures tell the rest.
  await run(process.execPath, ['--import', 'tsx', path, '--json', file, ...args]).catch((error) => {
    if (!existsSync(file)) throw error;
  });
  return JSON.parse(await readFile(file, 'utf8'));
}

need(
  test,
  NAME,
  'ip',
  'iptables',
  'cc',
  'minio',
)(
  'hosts that all start at once get right bytes over links of their own, and the origin sends each byte once',
  async () => {
    const small = ['--only', 'burst', '--agents', String(HOSTS), '--size', `${CHUNKS}MiB`, '--chunk', '1MiB'];
    const { figures } = await runLab<LabFigures>('run.ts', ...small);
    assert.is(figures.length, 1);
    assert.equal(
      figures[0]?.pulls.map(({ ending }) => ending),
      Array(HOSTS).fill('right'),
    );
    assert.is(figures[0]?.counts.originRequests, CHUNKS);
    assert.is(figures[0]?.counts.originBytes, CHUNKS * 2 ** 20);
    assert.ok((figures[0]?.depths.known ?? 0) > 0, 'no agent tells where its chunks came from');
  },
);

need(
  test,
  NAME,
  'ip',
  'iptables',
  'cc',
  'minio',
)('clients see nothing of what befalls siblings and roots, by whatever way they come in', async () => {
  const faults = ['one sibling: frozen', 'all but the origin: killed', 'a bit of each chunk flipped'];
  const { results } = await runLab<FaultFigures>('faults/run.ts', '--reference', '0', ...faults);
  assert.is(results.length, faults.length);
  for (const { of, how, spared, complaints } of results) {
    assert.equal(complaints, [], `${of}: ${how}`);
    assert.equal(new Set(spared.map(({ way }) => way)), new Set(WAY_NAMES));
  }
});

test.run();
