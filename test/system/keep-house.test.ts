import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { chunkFiles } from '../support/cache-files.ts';
import { download, get } from '../support/client.ts';
import { listNames, startMinio } from '../support/minio.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { startAgent, startRoot, through } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { dadip2p } from '../support/run-program.ts';
import { until } from '../support/until.ts';
import { TOKEN } from '../support/warm.ts';

const NAME = 'system/keep-house';
const test = suite(NAME);
const real = need(test, NAME, 'minio');

const DAY_MS = 24 * 60 * 60_000;
const SIZE = 100_000;

const rootOf = (origins: readonly Origin[]) =>
  startRoot({ origins: origins.map(({ url }) => url), root: { Admin: { Tokens: [TOKEN] } } });

/** Asks a root's API as who has its token. */
const api = (root: NodeProcess, path: string, order?: object | null) =>
  get(`${root.url}/api/v1/${path}`, {
    method: order === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    ...(order !== undefined && { body: JSON.stringify(order) }),
  });

/** Puts a blob into a repository of an origin. */
function putBlob(origin: Origin, repository: string, seed: string): string {
  const bytes = blobOf(SIZE, seed);
  return origin.put(`/v2/${repository}/blobs/sha256:${sha256(bytes)}`, bytes);
}

const digestOf = (url: string): string => url.slice(url.lastIndexOf('sha256:'));

/** Reads all of these through a node, and gives those that cost their origins bytes. */
async function fetchedOf(node: NodeProcess, urls: readonly string[], origins: readonly Origin[]) {
  const fetched: string[] = [];
  for (const url of urls) {
    for (const origin of origins) origin.forget();
    const { status, digest } = await download(through(node, url));
    assert.equal([status, `sha256:${digest}`], [200, digestOf(url)], url);
    if (origins.some(({ bytesSent }) => bytesSent > 0)) fetched.push(url);
  }
  return fetched;
}

/** Makes all that a root keeps as old as if nobody had wanted it for so long. */
async function age(cacheDir: string, ms: number): Promise<void> {
  const entries = await readdir(join(cacheDir, 'v1'), { recursive: true, withFileTypes: true });
  const then = new Date(Date.now() - ms);
  for (const entry of entries) await utimes(join(entry.parentPath, entry.name), then, then);
}

test('a sweep removes what nobody wanted, over HTTP and by command; a dry run only tells', async () => {
  await using origin = await startOrigin();
  await using root = await rootOf([origin]);
  const at = ['--root', root.url, '--token', TOKEN];
  const old = putBlob(origin, 'team/app', 'old');
  const young = putBlob(origin, 'team/app', 'young');
  await fetchedOf(root, [old], [origin]);
  await age(root.cacheDir, 40 * DAY_MS);
  await fetchedOf(root, [young], [origin]);
  assert.equal((await api(root, 'sweep')).status, 404, 'there was none');
  const kept = await readdir(root.cacheDir, { recursive: true });

  const dry = JSON.parse((await api(root, 'sweep', { dryRun: true })).text);
  assert.equal([dry.isDone, dry.isDry, dry.found.blobs, dry.removed.aged.blobs], [true, true, 2, 1]);
  assert.equal(dry.doomed[0].source, `${origin.url}/v2/team/app`);
  const told = await dadip2p('sweep', '--dry-run', ...at);
  assert.equal([told.code, told.err], [0, '']);
  assert.match(told.out, /^aged, unused for 960 h: 100\.\d kB of \S+\/v2\/team\/app\n/);
  assert.match(told.out, /2 blobs of \S+ kB were found; would go:\n {2}orphaned: 0 blobs, 0 B\n/);
  assert.equal(await readdir(root.cacheDir, { recursive: true }), kept);
  assert.equal(await fetchedOf(root, [young], [origin]), []);

  const swept = await dadip2p('sweep', ...at);
  assert.equal([swept.code, swept.err], [0, '']);
  assert.match(swept.out, 'were found; went:\n');
  assert.match(swept.out, '  aged: 1 blobs, ');
  const last = JSON.parse((await api(root, 'sweep')).text);
  assert.equal([last.isDone, last.isDry, last.removed.aged.blobs], [true, false, 1]);
  assert.is((await chunkFiles(root.cacheDir)).length, 2, 'those of the other');
  assert.equal(await fetchedOf(root, [young], [origin]), []);
  const again = JSON.parse((await api(root, 'sweep', { dryRun: false })).text);
  assert.equal([again.found.blobs, again.removed.aged.blobs], [1, 0]);
});

test('a purge reaches what was named and nothing else, which alone is fetched anew', async () => {
  await using origin = await startOrigin();
  await using other = await startOrigin();
  const origins = [origin, other];
  await using root = await rootOf(origins);
  const [app, base, foreign] = [
    putBlob(origin, 'team/app', 'app'),
    putBlob(origin, 'team/base', 'base'),
    putBlob(other, 'team/app', 'foreign'),
  ] as const;
  const all = [app, base, foreign];
  assert.equal(await fetchedOf(root, all, origins), all);
  assert.equal(await fetchedOf(root, all, origins), []);

  const purged = async (order: object) => {
    const { status, text } = await api(root, 'purge', order);
    assert.is(status, 200, text);
    const { addresses, blobs, isDone } = JSON.parse(text);
    return { addresses, blobs, isDone, fetched: await fetchedOf(root, all, origins) };
  };
  for (const [order, fetched] of [
    [{ blob: app }, [app]],
    [{ blob: digestOf(base) }, [base]],
    [{ repository: `${origin.url}/v2/team/app` }, [app]],
    [{ origin: origin.url }, [app, base]],
    [{ repository: `${other.url}/v2/team/` }, [foreign]],
  ] as const) {
    const done = await purged(order);
    assert.equal(
      [done.blobs, done.isDone, done.fetched],
      [fetched.length, true, fetched],
      JSON.stringify(order),
    );
    assert.ok(done.addresses >= fetched.length);
  }
  const none = await purged({ repository: `${origin.url}/v2/team` });
  assert.equal(none, { addresses: 0, blobs: 0, isDone: true, fetched: [] });

  const at = ['--root', root.url, '--token', TOKEN];
  const told = await dadip2p('purge', '--origin', other.url, ...at);
  assert.equal([told.code, told.err], [0, '']);
  assert.match(told.out, /^\d addresses forgotten, 1 blobs of 100\.\d kB removed\.\n$/);
  assert.equal(await fetchedOf(root, all, origins), [foreign]);
});

test('who has no token, or not the right one, changes nothing and learns nothing', async () => {
  await using origin = await startOrigin();
  await using root = await rootOf([origin]);
  const url = putBlob(origin, 'team/app', 'app');
  await fetchedOf(root, [url], [origin]);
  const json = { 'content-type': 'application/json' };
  for (const headers of [json, { ...json, authorization: 'Bearer wrong' }]) {
    for (const [path, body] of [
      ['sweep', undefined],
      ['sweep', '{"dryRun":false}'],
      ['purge', `{"blob":"${url}"}`],
      ['cost', undefined],
    ] as const) {
      const method = body === undefined ? 'GET' : 'POST';
      const refused = await get(`${root.url}/api/v1/${path}`, { method, headers, ...(body && { body }) });
      assert.is(refused.status, 401, path);
      assert.match(refused.text, /^API_UNAUTHORIZED: .*send "Authorization: Bearer TOKEN"/);
    }
  }
  const told = await dadip2p('purge', '--blob', url, '--root', root.url, '--token', 'wrong');
  assert.is(told.code, 1);
  assert.match(told.err, 'answers 401: API_UNAUTHORIZED');
  assert.equal(await fetchedOf(root, [url], [origin]), []);

  // What is wrong with a request, and what is said of it.
  const bad: readonly [path: string, order: object | null | undefined, said: RegExp][] = [
    ['sweep', {}, /send \{"dryRun": true\} or/],
    ['sweep', null, /send \{"dryRun": true\} or/],
    ['sweep', { dryRun: 'yes' }, /send \{"dryRun": true\} or/],
    ['purge', {}, /send one of \{"blob": …\}/],
    ['purge', { blob: url, origin: origin.url }, /send one of/],
    ['purge', { blob: 'sha256:abc' }, /"sha256:abc" is no digest/],
    ['purge', { blob: 'no url' }, /no url/],
    ['purge', { repository: 'Not/A/Name' }, /"Not\/A\/Name" is no name of a repository/],
    ['purge', { origin: 'ftp://h.test' }, /ftp:/],
    ['purge', { origin: origin.url, next: 'x' }, /next is a number/],
    ['cost?days=0', undefined, /days is a number from 1 to 31/],
    ['cost?days=many', undefined, /days is a number from 1 to 31/],
  ];
  for (const [path, order, said] of bad) {
    const { status, text } = await api(root, path, order);
    assert.is(status, 400, `${path} ${JSON.stringify(order)}: ${text}`);
    assert.match(text, said);
  }
  assert.equal(await fetchedOf(root, [url], [origin]), []);
});

real('over S3, what agents were told to read stays until it may go, and all of it is counted', async () => {
  await using s3 = await startMinio();
  await using origin = await startOrigin();
  const { endpoint: Endpoint, bucket: Bucket, region: Region } = s3;
  const S3 = { Endpoint, Bucket, Region, AccessKeyId: s3.accessKeyId, SecretAccessKey: s3.secretAccessKey };
  await using root = await startRoot({ origins: [origin.url], root: { Admin: { Tokens: [TOKEN] }, S3 } });
  const [lent, own] = [putBlob(origin, 'team/app', 'lent'), putBlob(origin, 'team/base', 'own')] as const;
  await fetchedOf(root, [lent, own], [origin]);
  const chunksOf = async () => (await listNames(s3)).filter((name) => /^v1\/\S+\/\d+$/.test(name)).length;
  const each = Math.ceil(SIZE / 65_536);
  // Whoever read them had their last byte before S3 did.
  await until('all chunks in S3', async () => (await chunksOf()) === 2 * each);
  await using agent = await startAgent({ origins: [origin.url], agent: { OriginFallback: false } }, [
    root.url,
  ]);
  assert.equal(await fetchedOf(agent, [lent], [origin]), []);

  const purgeOf = async (url: string) => JSON.parse((await api(root, 'purge', { blob: url })).text);
  const first = await purgeOf(own);
  assert.equal([first.blobs, first.lent], [1, { blobs: 0, waitMs: 0 }]);
  const held = await purgeOf(lent);
  assert.equal([held.blobs, held.lent.blobs], [0, 1]);
  assert.ok(held.lent.waitMs > 0);
  assert.is(await chunksOf(), each, 'a plan that was handed out still holds');

  const { days } = JSON.parse((await api(root, 'cost?days=2')).text);
  assert.is(days.length, 2);
  assert.ok(days[0].s3Writes > 0 && days[0].lentChunks >= 2 && days[0].dollars.requests > 0, days[0]);
  const told = await dadip2p('cost', '--days', '1', '--root', root.url, '--token', TOKEN);
  assert.equal([told.code, told.err], [0, '']);
  assert.match(
    told.out,
    /^\d{4}-\d\d-\d\d {2}\$0\.\d{4} {2}S3: \d+ writes, \d+ reads; 0 calls; .*\nNot counted: /,
  );
});

test.run();
