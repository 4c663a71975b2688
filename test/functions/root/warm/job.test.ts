import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isJobId, jobId, parseOrder } from '../../../../functions/root/warm/job.ts';

const test = suite('functions/root/warm/job');

const idOf = (body: object) => jobId(parseOrder(body).job);

test('the same job has the same name, however it is written and whatever signs its URLs', () => {
  const id = idOf({ images: ['a', 'b'], urls: ['https://o.test/f?X-Amz-Signature=1&v=2'] });
  assert.ok(isJobId(id));
  const same = {
    urls: ['https://o.test/f?v=2&X-Amz-Signature=2'],
    images: ['b', 'a', 'b'],
    platforms: ['linux/amd64'],
    logins: { 'docker.io': { username: 'u', password: 'p' } },
  };
  assert.is(idOf(same), id);
});

test('another job has another name', () => {
  const jobs = [
    { images: ['a'] },
    { images: ['a:v2'] },
    { images: ['a'], platforms: ['linux/arm64'] },
    { images: ['a'], platforms: ['all'] },
    { urls: ['https://o.test/a'] },
    { urls: ['https://o.test/a?v=2'] },
    { digests: [`a@sha256:${'0'.repeat(64)}`] },
    { images: [`a@sha256:${'0'.repeat(64)}`] },
  ];
  assert.is(new Set(jobs.map(idOf)).size, jobs.length);
});

test('what is no name of a job is no path either', () => {
  for (const text of [
    '',
    '..',
    '0'.repeat(31),
    `${'0'.repeat(32)}/`,
    'A'.repeat(32),
    '../../../etc/passwd',
  ]) {
    assert.is(isJobId(text), false, text);
  }
});

test.run();
