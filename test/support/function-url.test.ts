import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { get } from './client.ts';
import { eachCase } from './each-case.ts';
import { type FunctionUrlOptions, startFunctionUrl } from './function-url.ts';
import type { Door } from './lambda/event.ts';
import { tempDir } from './temp-dir.ts';
import { until } from './until.ts';

const test = suite('support/function-url');

const MiB = 2 ** 20;
const DOORS: readonly Door[] = ['function-url', 'http-api'];

/** A function that does what its path says; `calls` and `ticks` are the instance's own. */
const SOURCE = `
let calls = 0, ticks = 0;
setInterval(() => { ticks += 1; }, 5);
const answers = {
  event: (event) => ({ statusCode: 200, body: JSON.stringify(event) }),
  state: () => ({ calls, ticks, pid: process.pid, tmp: process.env.TMPDIR }),
  bytes: ({ rawQueryString }) => ({
    statusCode: 200, isBase64Encoded: true, body: Buffer.alloc(Number(rawQueryString), 7).toString('base64'),
    headers: { 'content-length': rawQueryString, 'content-type': 'application/octet-stream' },
  }),
  denied: () => ({ statusCode: 401, headers: { 'WWW-Authenticate': 'Bearer realm="x"' }, body: '', cookies: ['a=1', 'b=2'] }),
  slow: async () => { await new Promise((done) => setTimeout(done, 60_000)); },
  nap: async () => { await new Promise((done) => setTimeout(done, 300)); return { pid: process.pid }; },
  throws: () => { throw new Error('it threw'); },
  dies: () => process.exit(1),
  array: () => ({ statusCode: 200, headers: { a: ['b'] }, body: '' }),
  word: () => ({ statusCode: 'fine', body: '' }),
};
export async function handler(event) {
  calls += 1;
  return answers[event.rawPath.split('/')[1]](event);
}
`;

async function start(options: FunctionUrlOptions = {}) {
  const dir = await tempDir();
  const bundle = join(dir.path, 'function.mjs');
  await writeFile(bundle, SOURCE);
  const lambda = await startFunctionUrl({ bundle, ...options });
  return {
    lambda,
    ask: (path: string, ask = {}) => get(`${lambda.url}/${path}`, { target: `/${path}`, ...ask }),
    async [Symbol.asyncDispose]() {
      await lambda[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

test('an event is of payload format 2.0: headers joined, cookies apart, the query untouched', async () => {
  for (const door of DOORS) {
    await using fn = await start({ door });
    const headers = { 'X-Twice': ['a', 'b'], cookie: 'c=1; d=2', TE: 'trailers' };
    const answer = await fn.ask('event//x?q=a%20b+c&q=%2Fd', { headers });
    const event = JSON.parse(answer.text);
    assert.is(event.version, '2.0');
    assert.is(event.rawPath, '/event//x');
    assert.is(event.rawQueryString, 'q=a%20b+c&q=%2Fd');
    assert.equal(event.queryStringParameters, { q: 'a b c,/d' });
    assert.is(event.headers['x-twice'], 'a,b');
    assert.equal(event.cookies, ['c=1', 'd=2']);
    assert.is(event.headers.cookie, undefined);
    assert.is(event.headers.te, undefined);
    assert.is(event.headers.connection, undefined);
    assert.is(event.headers['x-forwarded-proto'], 'https');
    assert.is(event.requestContext.http.method, 'GET');
    assert.is(event.isBase64Encoded, false);
    assert.not('body' in event);
  }
});

test('a Function URL leaves the path as it is sent, an HTTP API decodes it and loses what follows its "?"', async () => {
  const path = 'event/a%2Fb%20c%3Fd?e=%3F';
  for (const [door, rawPath] of [
    ['function-url', '/event/a%2Fb%20c%3Fd'],
    ['http-api', '/event/a/b c'],
  ] as const) {
    await using fn = await start({ door });
    const event = JSON.parse((await fn.ask(path)).text);
    assert.is(event.rawPath, rawPath);
    assert.is(event.rawQueryString, 'e=%3F');
  }
});

test('a body of bytes comes in base64, one of text as it is', async () => {
  await using fn = await start();
  const bytes = Buffer.from([0, 255, 128, 10]);
  const binary = await fn.ask('event', {
    method: 'POST',
    body: bytes,
    headers: { 'content-type': 'application/octet-stream' },
  });
  const event = JSON.parse(binary.text);
  assert.is(event.isBase64Encoded, true);
  assert.is(event.body, bytes.toString('base64'));
  const text = await fn.ask('event', {
    method: 'POST',
    body: '{"a":1}',
    headers: { 'content-type': 'application/json' },
  });
  assert.is(JSON.parse(text.text).body, '{"a":1}');
});

test('no range is cut out of what the function returned', async () => {
  await using fn = await start();
  const answer = await fn.ask('bytes?100', { headers: { range: 'bytes=0-9' } });
  assert.is(answer.status, 200);
  assert.is(answer.size, 100);
  assert.is(answer.headers['content-range'], undefined);
});

test('headers that the door writes itself come out under another name, and HEAD says length 0', async () => {
  await using fn = await start();
  const answer = await fn.ask('denied');
  assert.is(answer.status, 401);
  assert.is(answer.headers['www-authenticate'], undefined);
  assert.is(answer.headers['x-amzn-remapped-www-authenticate'], 'Bearer realm="x"');
  assert.equal(answer.headers['set-cookie'], ['a=1', 'b=2']);
  const head = await fn.ask('denied', { method: 'HEAD' });
  assert.is(head.headers['content-length'], '0');
});

test('payloads over 6 MB are refused both ways, base64 counted', async () => {
  for (const [door, failed] of [
    ['function-url', 502],
    ['http-api', 500],
  ] as const) {
    await using fn = await start({ door });
    assert.is((await fn.ask(`bytes?${4 * MiB}`)).size, 4 * MiB);
    assert.is((await fn.ask(`bytes?${5 * MiB}`)).status, failed);
    const body = Buffer.alloc(5 * MiB);
    assert.is((await fn.ask('event', { method: 'POST', body })).status, 413);
    assert.is(fn.lambda.calls.length, 2, 'what is refused is not called');
    assert.ok((fn.lambda.calls[1]?.payloadBytes ?? 0) > 6 * MiB);
  }
});

test('an HTTP API takes 10,240 bytes of request line and headers', async () => {
  await using fn = await start({ door: 'http-api' });
  assert.is((await fn.ask('state', { headers: { a: 'x'.repeat(10_000) } })).status, 200);
  assert.is((await fn.ask('state', { headers: { a: 'x'.repeat(10_240) } })).status, 431);
});

test('what is no reply, or comes from a function that failed, is the door’s own error', async () => {
  await using url = await start();
  await using api = await start({ door: 'http-api' });
  await eachCase({ throws: '', dies: '', array: '', word: '' }, async (_, path) => {
    assert.is((await url.ask(path)).status, 502);
    assert.is((await api.ask(path)).status, 500);
  });
  const plain = await url.ask('state');
  assert.is(plain.status, 200, 'it lives on in another instance');
  assert.is(plain.headers['content-type'], 'application/json');
});

test('each concurrent call has an instance to itself, with its own state and /tmp', async () => {
  await using fn = await start();
  const naps = await Promise.all([1, 2, 3].map(() => fn.ask('nap')));
  assert.is(new Set(naps.map(({ text }) => JSON.parse(text).pid)).size, 3);
  assert.is(fn.lambda.coldStarts, 3);
  const again = JSON.parse((await fn.ask('state')).text);
  assert.is(again.calls, 2, 'a frozen instance is used again');
  assert.is(fn.lambda.coldStarts, 3);
  assert.is(fn.lambda.calls.filter(({ isCold }) => isCold).length, 3);
  const { tmp } = JSON.parse((await fn.ask('state')).text);
  assert.match(tmp, /\d$/);
});

test('an instance does not run between calls', async () => {
  await using fn = await start();
  const before = JSON.parse((await fn.ask('state')).text);
  // The time in which another instance starts and naps is time for sixty ticks.
  await using other = await start();
  await other.ask('nap');
  const after = JSON.parse((await fn.ask('state')).text);
  assert.is(after.pid, before.pid);
  assert.ok(after.ticks - before.ticks < 30, `${after.ticks - before.ticks} ticks while frozen`);
});

test('instances that the platform retires, or that die in a call, are replaced cold', async () => {
  await using fn = await start();
  await fn.ask('state');
  await fn.lambda.retire();
  assert.is(fn.lambda.instances.length, 0);
  assert.is(JSON.parse((await fn.ask('state')).text).calls, 1);
  const broken = fn.ask('slow');
  const busy = await until('a busy instance', () => fn.lambda.instances.find(({ isBusy }) => isBusy));
  busy.kill();
  assert.is((await broken).status, 502);
  assert.is(JSON.parse((await fn.ask('state')).text).calls, 1);
  assert.is(fn.lambda.coldStarts, 3);
});

test('calls over the concurrency are throttled, calls over the time are ended with their instance', async () => {
  for (const [door, throttled, late] of [
    ['function-url', 429, 504],
    ['http-api', 503, 503],
  ] as const) {
    await using fn = await start({ door, concurrency: 1, timeoutMs: 300 });
    const slow = fn.ask('slow');
    await until('a busy instance', () => fn.lambda.instances.find(({ isBusy }) => isBusy));
    assert.is((await fn.ask('state')).status, throttled);
    assert.is((await slow).status, late);
    assert.is(JSON.parse((await fn.ask('state')).text).calls, 1);
  }
});

test.run();
