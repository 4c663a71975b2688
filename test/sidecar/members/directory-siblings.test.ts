import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Member } from '../../../functions/protocol/member.ts';
import { HttpClient } from '../../../functions/service/http-client.ts';
import { DirectoryClient } from '../../../sidecar/members/directory-client.ts';
import { DirectorySiblings } from '../../../sidecar/members/directory-siblings.ts';
import { memoryLog } from '../../support/app.ts';
import { agentOf, callsOf, startDirectory, type TestDirectory } from '../../support/directory.ts';
import { turnedClock } from '../../support/turned-clock.ts';

const test = suite('sidecar/members/directory-siblings');

// A list is asked for this often by a few agents.
const SOON_MS = 5_000;

/** An agent that finds others by these directories; its clock, and that of the directories, is turned by the test. */
async function join(self: Member, directories: readonly TestDirectory[]) {
  const clock = turnedClock();
  const { log, lines } = memoryLog();
  const http = new HttpClient({ connectMs: 2_000, firstByteMs: 10_000, idleMs: 10_000, connections: 4 });
  const ended = new AbortController();
  let members: readonly Member[] = [];
  const siblings = new DirectorySiblings({
    directories: directories.map(
      ({ url }) => new DirectoryClient({ root: url, http, calls: callsOf(self.url) }),
    ),
    self,
    found: (found) => {
      members = found;
    },
    pace: clock.pace,
    log,
  });
  const running = siblings.run(ended.signal);
  await clock.asleep(1);
  const leave = async () => {
    ended.abort();
    await running;
  };
  return {
    lines,
    /** Those it knows, by their ids. */
    ids: () => members.map(({ id }) => id).sort(),
    urls: () => members.map(({ url }) => url).sort(),
    /** Lets time go by for this agent. */
    turn: clock.turn,
    leave,
    async [Symbol.asyncDispose]() {
      await leave();
      await http.close();
    },
  };
}

const [A, B, C] = [agentOf(1001), agentOf(1002), agentOf(1003)] as const;

test('knows at once who was there before, and is known to them in seconds', async () => {
  await using root = await startDirectory();
  await using first = await join(A, [root]);
  await using second = await join(B, [root]);
  assert.equal(second.ids(), [A.id, B.id]);
  await first.turn(SOON_MS);
  assert.equal(first.ids(), [A.id, B.id]);
});

test('is forgotten in seconds when it says goodbye', async () => {
  await using root = await startDirectory();
  await using first = await join(A, [root]);
  await using second = await join(B, [root]);
  await second.leave();
  await first.turn(SOON_MS);
  assert.equal(first.ids(), [A.id]);
});

test('is forgotten without a goodbye, once it said nothing for 75 s; who goes on speaking is not', async () => {
  await using root = await startDirectory();
  await using first = await join(A, [root]);
  await join(B, [root]);
  await first.turn(SOON_MS);
  assert.equal(first.ids(), [A.id, B.id]);
  for (let seconds = 0; seconds < 80; seconds += 10) {
    root.agedMs += 10_000;
    await first.turn(10_000);
    assert.ok(first.ids().includes(A.id), `${seconds}`);
  }
  assert.equal(first.ids(), [A.id]);
});

test('one of another zone, or another cluster, is nobody to it', async () => {
  await using root = await startDirectory();
  await using first = await join(A, [root]);
  await using far = await join({ ...B, zone: 'far' }, [root]);
  await first.turn(SOON_MS);
  assert.equal([first.ids(), far.ids()], [[A.id], [B.id]]);
});

test('keeps all it knows while no root answers, and says so once', async () => {
  const root = await startDirectory();
  await using other = await join(B, [root]);
  await using first = await join(A, [root]);
  await root[Symbol.asyncDispose]();
  await first.turn(5 * 60_000);
  assert.equal(first.ids(), [A.id, B.id]);
  assert.is(first.lines.filter(({ event }) => event === 'directory_failed').length, 1);
  assert.ok(other);
});

test('goes to the next root when one fails, knows for a minute more whom that one knew, and comes back', async () => {
  await using one = await startDirectory();
  await using other = await startDirectory();
  await using first = await join(A, [one, other]);
  await using second = await join(B, [one]);
  await first.turn(SOON_MS);
  assert.equal(first.ids(), [A.id, B.id]);
  one.isFailing = true;
  await first.turn(SOON_MS);
  assert.equal(first.ids(), [A.id, B.id]);
  await using third = await join(C, [one, other]);
  assert.equal(third.ids(), [A.id, C.id], 'who fails over meets the others there');
  await first.turn(60_000);
  assert.equal(first.ids(), [A.id, C.id]);
  one.isFailing = false;
  await third.turn(40_000);
  await first.turn(40_000);
  assert.equal(first.ids(), [A.id, B.id, C.id], 'and all meet again where they were');
  assert.ok(second);
});

test('forgets nobody by the list of a root that has lost what it was told, and tells it again', async () => {
  await using root = await startDirectory();
  await using second = await join(B, [root]);
  await using first = await join(A, [root]);
  root.isLost = true;
  await first.turn(20_000);
  assert.equal(first.ids(), [A.id, B.id]);
  root.isLost = false;
  await first.turn(2 * SOON_MS);
  await second.turn(3 * SOON_MS);
  assert.equal(second.ids(), [A.id, B.id]);
});

test('follows a node that comes back at another address under its old id', async () => {
  await using root = await startDirectory();
  await using first = await join(A, [root]);
  await join(B, [root]);
  await using moved = await join({ ...B, url: 'http://127.0.0.1:2002' }, [root]);
  await first.turn(SOON_MS);
  assert.equal(first.urls(), [A.url, 'http://127.0.0.1:2002']);
  await moved.turn(SOON_MS);
  assert.equal(moved.lines, [], 'that is no copy of its data');
});

test('says when another node has its id, for its data was copied', async () => {
  await using root = await startDirectory();
  await using first = await join(A, [root]);
  await join({ ...A, url: 'http://127.0.0.1:2001' }, [root]);
  await first.turn(3 * SOON_MS);
  const told = first.lines.filter(({ event }) => event === 'node_id_shared');
  assert.is(told.length, 1);
  assert.is(told[0]?.there, 'http://127.0.0.1:2001');
});

test('asks an idle root seldom: one announcement a minute, and lists that say that nothing changed', async () => {
  await using root = await startDirectory();
  await using first = await join(A, [root]);
  root.asked.length = 0;
  await first.turn(10 * 60_000);
  const announced = root.asked.filter((method) => method === 'POST').length;
  assert.ok(announced >= 10 && announced <= 15, `${announced} announcements in ten minutes`);
  assert.ok(root.asked.length - announced <= 150, `${root.asked.length} requests in ten minutes`);
});

test('announces itself and learns who is there though its clock is hours off, asking twice but once', async () => {
  await using root = await startDirectory();
  const http = new HttpClient({ connectMs: 2_000, firstByteMs: 10_000, idleMs: 10_000, connections: 4 });
  const agent = agentOf(1001);
  const calls = callsOf(agent.url, () => Date.now() - 20 * 3_600_000);
  const client = new DirectoryClient({ root: root.url, http, calls });
  const { signal } = new AbortController();
  await client.announce({ ...agent, leaving: false }, signal);
  assert.equal(await client.list('', signal), [agent]);
  assert.equal(root.asked, ['POST', 'POST', 'GET']);
  await http.close();
});

test.run();
