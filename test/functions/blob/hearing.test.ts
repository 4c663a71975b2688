import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Hearing } from '../../../functions/blob/hearing.ts';

const test = suite('functions/blob/hearing');

test('tells each word to all who wait, to who comes just after one too, and to nobody who waits no more', async () => {
  const hearing = new Hearing();
  const told = [0, 0];
  const tell = (at: 0 | 1) => () => {
    told[at] = (told[at] ?? 0) + 1;
  };
  let end = (_: string) => {};
  const work = new Promise<string>((resolve) => {
    end = resolve;
  });
  const first = hearing.during(work, tell(0));
  hearing.heard();
  const second = hearing.during(work, tell(1));
  hearing.heard();
  assert.equal(told, [2, 2]);
  end('done');
  assert.equal(await Promise.all([first, second]), ['done', 'done']);
  hearing.heard();
  assert.equal(told, [2, 2]);
});

test('forgets who waited for what failed', async () => {
  const hearing = new Hearing();
  let told = 0;
  const listener = () => {
    told += 1;
  };
  const failure = await hearing
    .during(Promise.reject(new Error('x')), listener)
    .catch(({ message }) => message);
  hearing.heard();
  assert.equal([failure, told], ['x', 0]);
});

test.run();
