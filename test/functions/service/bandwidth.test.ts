import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FilePiece } from '../../../functions/blob/file-piece.ts';
import { Bandwidth } from '../../../functions/service/bandwidth.ts';
import type { FileSender } from '../../../functions/service/file-sender.ts';
import { HttpClient } from '../../../functions/service/http-client.ts';
import { Outlet } from '../../../functions/service/outlet.ts';
import { listen } from '../../support/app.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { get } from '../../support/client.ts';
import { startOrigin } from '../../support/origin.ts';
import { rejects } from '../../support/rejects.ts';
import { PATIENCE_MS } from '../../support/until.ts';

const test = suite('functions/service/bandwidth');

const NEVER = new AbortController().signal;
const RATE = 10_000_000;
// A tenth of a second of the rate may go at once.
const BURST = RATE / 10;

/** Time passes only when somebody would have to wait for it: how much did is what the bandwidth made of the bytes. */
function steppedClock() {
  let nowMs = 0;
  const timers = new Set<{ readonly dueMs: number; readonly run: () => void }>();
  const step = () => {
    const [next] = [...timers].sort((a, b) => a.dueMs - b.dueMs);
    if (next === undefined) return false;
    timers.delete(next);
    nowMs = Math.max(nowMs, next.dueMs);
    next.run();
    return true;
  };
  return {
    timers,
    step,
    now: () => nowMs,
    after(ms: number, run: () => void) {
      const timer = { dueMs: nowMs + ms, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  };
}

/** The same, with nobody to step it: each timer comes at once. */
function hurriedClock() {
  const clock = steppedClock();
  return {
    ...clock,
    after(ms: number, run: () => void) {
      const cancel = clock.after(ms, run);
      setImmediate(clock.step);
      return cancel;
    },
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Least milliseconds that so many bytes take: the burst and the last slice are not waited for. */
const leastMs = (bytes: number, slice: number) => ((bytes - BURST - slice) * 1000) / RATE;

test('lets a burst through at once, and then no more than the rate', async () => {
  const clock = steppedClock();
  const bandwidth = new Bandwidth(RATE, clock);
  let at = 0;
  for (let sent = 0; sent < 3 * RATE; sent += 100_000) {
    const turn = bandwidth.take(100_000, NEVER);
    if (sent <= BURST) assert.is(turn, undefined, `${sent}`);
    if (turn !== undefined) assert.ok(clock.step());
    await turn;
    at = clock.now();
    assert.ok(sent + 100_000 <= BURST + 100_000 + (at * RATE) / 1000, `${sent} bytes in ${at} ms`);
  }
  assert.ok(at >= leastMs(3 * RATE, 100_000) && at <= 3_000, `${at} ms`);
});

test('saves up no more than the burst in a pause', async () => {
  const clock = steppedClock();
  const bandwidth = new Bandwidth(RATE, clock);
  clock.after(60_000, () => {});
  clock.step();
  assert.is(bandwidth.take(BURST + 1, NEVER), undefined);
  assert.ok(bandwidth.take(1, NEVER) instanceof Promise);
});

test('gives many transfers the same share', async () => {
  const clock = steppedClock();
  const bandwidth = new Bandwidth(RATE, clock);
  const given = Array<number>(20).fill(0);
  const endings = given.map(() => new AbortController());
  const transfers = endings.map(async ({ signal }, index) => {
    for (;;) {
      await bandwidth.take(bandwidth.sliceBytes, signal);
      given[index] = (given[index] ?? 0) + 1;
    }
  });
  while (given.some((slices) => slices < 50)) {
    clock.step();
    await settled();
  }
  for (const ending of endings) ending.abort();
  for (const { status } of await Promise.allSettled(transfers)) assert.is(status, 'rejected');
  assert.ok(Math.max(...given) - Math.min(...given) <= BURST / bandwidth.sliceBytes + 2, given.join());
});

test('forgets who is gone, with their turn and the timer', async () => {
  const clock = steppedClock();
  const bandwidth = new Bandwidth(RATE, clock);
  assert.is(bandwidth.take(2 * RATE, NEVER), undefined);
  const [first, second] = [new AbortController(), new AbortController()];
  const turns = [first, second].map(({ signal }) => bandwidth.take(RATE, signal) as Promise<void>);
  const last = bandwidth.take(1, NEVER);
  first.abort();
  second.abort();
  for (const turn of turns) await rejects('CLIENT_GONE', turn);
  clock.step();
  await last;
  assert.ok(clock.now() <= 2_000, 'waited for those that were gone');

  const third = new AbortController();
  const turn = bandwidth.take(1, third.signal) ?? bandwidth.take(1, third.signal);
  third.abort();
  if (turn !== undefined) await rejects('CLIENT_GONE', turn);
  assert.is(clock.timers.size, 0);
  await rejects('CLIENT_GONE', bandwidth.take(1, third.signal) as Promise<void>);
});

test('holds back what many fetch, whichever client reads it, and no byte is lost', async () => {
  const bytes = blobOf(3_000_000, 7);
  await using origin = await startOrigin();
  const url = origin.put('/blob', bytes);
  const clock = hurriedClock();
  const download = new Bandwidth(RATE, clock);
  const limits = { connectMs: PATIENCE_MS, firstByteMs: 5_000, idleMs: 5_000, connections: 8 };
  const clients = [new HttpClient({ ...limits, download }), new HttpClient({ ...limits, download })];
  const fetched = async (client: HttpClient, bulk: boolean) => {
    const headers = { range: `bytes=0-${bytes.length - 1}` };
    const { body } = await client.request({ url, method: 'GET', headers, bulk }, NEVER);
    const pieces: Buffer[] = [];
    await body.read((piece) => {
      pieces.push(Buffer.from(piece));
    });
    return sha256(Buffer.concat(pieces));
  };
  const sums = await Promise.all(
    clients.flatMap((client) => [fetched(client, true), fetched(client, false)]),
  );
  await Promise.all(clients.map((client) => client.close()));
  assert.equal(sums, Array(4).fill(sha256(bytes)));
  assert.ok(clock.now() >= leastMs(4 * bytes.length, 256 * 1024), `${clock.now()} ms`);
});

test('holds back what is sent, as bytes, as files and relayed, and no byte is lost', async () => {
  const bytes = blobOf(2_000_000, 8);
  const clock = hurriedClock();
  const upload = new Bandwidth(RATE, clock);
  const slices: number[] = [];
  const half = bytes.length / 2;
  const halves = [0, half].map((offset) => ({ file: 0, offset, length: half }));
  const files: FileSender = {
    canSend: () => true,
    send(socket, spans) {
      const parts = Buffer.concat(spans.map(({ offset, length }) => bytes.subarray(offset, offset + length)));
      slices.push(parts.length);
      return new Promise((resolve) => socket.write(parts, () => resolve(parts.length)));
    },
  };
  await using server = await listen(async (request, response) => {
    const outlet = new Outlet(response, upload);
    response.setHeader('content-length', bytes.length);
    if (request.url === '/relayed') await outlet.relay({ read: async (sink) => sink(bytes) });
    else if (request.url === '/file') await outlet.sendFile(new FilePiece(halves), files);
    else await outlet.send(bytes);
    response.end();
  });
  const replies = await Promise.all(['/', '/relayed', '/file'].map((path) => get(server.url + path)));
  for (const { digest } of replies) assert.is(digest, sha256(bytes));
  assert.ok(slices.length > 10 && Math.max(...slices) <= upload.sliceBytes, slices.join());
  assert.ok(clock.now() >= leastMs(3 * bytes.length, upload.sliceBytes), `${clock.now()} ms`);
});

test.run();
