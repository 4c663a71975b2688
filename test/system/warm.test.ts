import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WARM } from '../../sidecar/cli/warm.ts';
import { createAuthority } from '../support/authority.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { download, get } from '../support/client.ts';
import { runCommand } from '../support/command.ts';
import { eachCase } from '../support/each-case.ts';
import { type Image, pushImage, pushIndex } from '../support/image.ts';
import { startOrigin } from '../support/origin.ts';
import { type PairOptions, startPair, startRoot, through } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import { type Registry, startRegistry, startWatchedRegistry } from '../support/registry.ts';
import { rejects } from '../support/rejects.ts';
import { startTokenIssuer } from '../support/token-issuer.ts';
import { until } from '../support/until.ts';
import { progressOf, startWarm, TOKEN, warm } from '../support/warm.ts';

const NAME = 'system/warm';
const test = suite(NAME);
const real = need(test, NAME, 'docker-registry');

const CHUNK = 64 * 1024;

/** Settings of nodes that know a registry as `reg.test`. */
const knowing = (...origins: readonly [string, ...string[]]): PairOptions => ({
  origins,
  root: { Admin: { Tokens: [TOKEN] }, Mirror: { Registries: { 'reg.test': origins[0] } } },
  agent: { OriginFallback: false },
});

const urlsOf = ({ url }: Registry, { repository, manifest, config, layers }: Image) => [
  `${url}/v2/${repository}/manifests/${manifest.digest}`,
  ...[config, ...layers].map(({ digest }) => `${url}/v2/${repository}/blobs/${digest}`),
];

const bytesIn = ({ manifest, config, layers }: Image) =>
  [manifest, config, ...layers].reduce((sum, { size }) => sum + size, 0);

const chunksIn = ({ manifest, config, layers }: Image) =>
  [manifest, config, ...layers].reduce((sum, { size }) => sum + Math.ceil(size / CHUNK), 0);

// Whether a registry wants credentials is asked by this.
const PING = '/v2/';

real('a warmed image is pulled without asking the registry, and warmed again it costs nothing', async () => {
  await using registry = await startWatchedRegistry();
  const image = await pushImage(registry.url, 'team/app', 'v1', { layerBytes: [300_000, 70_000, 10] });
  await using pair = await startPair(knowing(registry.url));
  const before = registry.hits.length;
  const first = await warm(pair.root, { images: ['reg.test/team/app:v1'] });
  assert.is(first.state, 'done');
  assert.equal(first.failures, []);
  assert.is(first.blobs, urlsOf(registry, image).length);
  const [chunks, bytes] = [chunksIn(image), bytesIn(image)];
  assert.equal(first.chunks, { total: chunks, done: chunks, fetched: chunks });
  assert.is(first.bytes.fetched, bytes);
  assert.is(first.bytes.done, bytes);
  const fetched = registry.hits.slice(before);
  assert.is(
    fetched.reduce((sum, { method, url, bytes }) => sum + (method === 'GET' && url !== PING ? bytes : 0), 0),
    bytes,
    'each byte once',
  );
  const warmed = registry.hits.length;
  const second = await warm(pair.root, { images: ['reg.test/team/app:v1'] });
  assert.is(second.id, first.id);
  assert.equal([second.state, second.chunks.done, second.chunks.fetched], ['done', chunks, 0]);
  for (const { method, url } of registry.hits.slice(warmed)) {
    assert.ok(method === 'HEAD' || url === PING, `${method} ${url}: what the tag names, and no bytes`);
  }
  const asked = registry.hits.length;
  for (const url of urlsOf(registry, image)) {
    const { status, digest } = await download(through(pair.agent, url));
    assert.equal([status, `sha256:${digest}`], [200, url.split('/').at(-1)]);
  }
  assert.is(registry.hits.length, asked, 'a pull asks the registry nothing');
});

real('of an image for several platforms those that were chosen are fetched, and no other', async () => {
  await using registry = await startWatchedRegistry();
  const push = (seed: string) => pushImage(registry.url, 'team/multi', seed, { layerBytes: [1000], seed });
  const [amd, arm, windows] = [await push('amd'), await push('arm'), await push('windows')];
  const images = { 'linux/amd64': amd, 'linux/arm64/v8': arm, 'windows/amd64': windows };
  const index = await pushIndex(registry.url, 'team/multi', 'v1', images);
  await using root = await startRoot(knowing(registry.url));
  const named = ['reg.test/team/multi:v1'];
  const readOf = async (platforms: readonly string[]) => {
    const before = registry.hits.length;
    const { state, failures } = await warm(root, { images: named, platforms });
    const read = registry.hits.slice(before);
    const layers = Object.entries(images).filter(([, image]) =>
      read.some(({ url }) => url.endsWith(image.layers[0]?.digest ?? '-')),
    );
    return { state, failures, platforms: layers.map(([name]) => name) };
  };
  assert.equal((await readOf([])).platforms, ['linux/amd64'], 'unless told otherwise');
  assert.equal((await readOf(['linux/arm64'])).platforms, ['linux/arm64/v8'], 'a variant may be left out');
  const missing = await readOf(['linux/s390x']);
  assert.is(missing.state, 'failed');
  assert.match(
    missing.failures[0]?.message ?? '',
    'not there for linux/s390x; it is for linux/amd64, linux/arm64/v8, windows/amd64',
  );
  assert.equal((await readOf(['all'])).platforms, ['windows/amd64'], 'the others are there');
  const byDigest = await warm(root, { images: [`reg.test/team/multi@${index.digest}`], platforms: ['all'] });
  assert.equal([byDigest.state, byDigest.chunks.fetched], ['done', 0]);
});

real('what is private is read by the login that comes with the job, which is kept nowhere', async () => {
  const password = 'hunter2-and-more';
  await using authority = await createAuthority();
  const users = { alice: { password, rights: { 'team/app': ['pull'] } } };
  await using tokens = await startTokenIssuer(authority, { users });
  await using open = await startRegistry({ tokens });
  await using basic = await startRegistry({ users: { alice: password } });
  const push = (url: string, authorization: string) =>
    pushImage(url, 'team/app', 'v1', { layerBytes: [100_000], seed: url, headers: { authorization } });
  tokens.setRights('alice', { 'team/app': ['pull', 'push'] });
  await push(open.url, `Bearer ${tokens.tokenFor('alice', 'repository:team/app:pull,push')}`);
  await push(basic.url, `Basic ${Buffer.from(`alice:${password}`).toString('base64')}`);
  const options = knowing(open.url, basic.url, new URL(tokens.realm).origin);
  const Registries = { 'tokens.test': open.url, 'basic.test': basic.url };
  await using root = await startRoot({ ...options, root: { ...options.root, Mirror: { Registries } } });
  for (const registry of Object.keys(Registries)) {
    const job = { images: [`${registry}/team/app:v1`] };
    const refused = await warm(root, job);
    assert.equal([refused.state, refused.failures[0]?.code], ['failed', 'UPSTREAM_REFUSED'], registry);
    const logins = { [registry]: { username: 'alice', password } };
    assert.is((await warm(root, { ...job, logins })).state, 'done', `${registry}\n${root.output()}`);
    assert.is((await warm(root, { ...job, logins })).chunks.fetched, 0, registry);
  }
  for (const file of readdirSync(root.cacheDir, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const text = readFileSync(join(file.parentPath, file.name), 'latin1');
    for (const secret of [password, 'Bearer', Buffer.from(`alice:${password}`).toString('base64')]) {
      assert.not.ok(text.includes(secret), `${secret} in ${file.name}`);
    }
  }
  assert.not.ok(root.output().includes(password));
});

test('URLs and blobs of repositories are warmed, and what cannot be is told beside', async () => {
  await using origin = await startOrigin();
  const blob = blobOf(5 * CHUNK + 1, 'warm blob');
  const file = blobOf(2 * CHUNK, 'warm file');
  origin.put(`/v2/team/app/blobs/sha256:${sha256(blob)}`, blob);
  const headers = { 'cache-control': 'max-age=600' };
  const url = origin.put('/files/a.bin', file, { headers });
  const secret = origin.put('/files/no-store', file, { headers: { 'cache-control': 'no-store' } });
  await using pair = await startPair(knowing(origin.url));
  const job = {
    urls: [`${url}?X-Amz-Signature=secret-signature`, secret, `${origin.url}/not-there`],
    digests: [`reg.test/team/app@sha256:${sha256(blob)}`],
  };
  const progress = await warm(pair.root, job);
  assert.is(progress.state, 'failed');
  assert.equal(progress.chunks, { total: 8, done: 8, fetched: 8 });
  assert.is(progress.failed, 2);
  const failures = new Map(progress.failures.map(({ what, message }) => [what, message]));
  assert.match(failures.get(secret) ?? '', 'may not be cached');
  assert.match(failures.get(`${origin.url}/not-there`) ?? '', '404');
  origin.forget();
  const blobUrl = `${origin.url}/v2/team/app/blobs/sha256:${sha256(blob)}`;
  assert.is((await download(through(pair.agent, blobUrl))).digest, sha256(blob));
  assert.is((await download(through(pair.agent, url))).digest, sha256(file));
  assert.is(origin.bytesSent, 0);
  const run = readFileSync(join(pair.root.cacheDir, 'warm', progress.id, 'run.json'), 'utf8');
  assert.not.match(run, 'secret-signature', 'a signature is a credential');
});

test('a job that the death of its process broke off goes on where it was, and each byte is fetched once', async () => {
  await using origin = await startOrigin({ bitsPerSecond: 40_000_000 });
  const blob = blobOf(64 * CHUNK - 5, 'broken off');
  const digest = sha256(blob);
  const url = origin.put(`/v2/team/app/blobs/sha256:${digest}`, blob);
  await using root = await startRoot(knowing(origin.url));
  const job = { urls: [url] };
  for (const share of [0.2, 0.6]) {
    assert.is((await startWarm(root, job)).status, 202);
    await until('a part of it', () => origin.bytesSent > share * blob.length);
    await root.killWorker();
    // What says that somebody is at it grows old while nobody is.
    for (const id of readdirSync(join(root.cacheDir, 'warm'))) age(join(root.cacheDir, 'warm', id));
  }
  const [id] = readdirSync(join(root.cacheDir, 'warm'));
  assert.is((await progressOf(root, id ?? '')).state, 'stalled');
  origin.forget();
  const kept = readdirSync(join(root.cacheDir, 'v1'), { recursive: true }).filter((name) =>
    /\/\d+\/\d+$/.test(String(name)),
  );
  const done = await warm(root, job);
  assert.equal([done.state, done.chunks.done], ['done', 64], root.output());
  assert.ok(
    origin.bytesSent <= blob.length - (kept.length - 1) * CHUNK,
    `${origin.bytesSent} for ${kept.length} kept`,
  );
  origin.forget();
  assert.is((await download(through(root, url))).digest, digest);
  assert.is(origin.hits.length, 0);
});

const REFUSED: Readonly<Record<string, readonly [body: string, status: number, said: RegExp]>> = {
  'no JSON': ['{', 400, /API_REQUEST_INVALID: .*no JSON/],
  'no object': ['[]', 400, /must be an object/],
  nothing: ['{}', 400, /name images, urls or digests/],
  'a slip': ['{"image":["a"]}', 400, /unknown field image; known: images/],
  'no list': ['{"images":"alpine"}', 400, /images must be a list of texts/],
  'no image': ['{"images":["A b"]}', 400, /A b is none; write \[registry\/\]repository/],
  'no digest': ['{"digests":["reg.test/a:v1"]}', 400, /digests: reg\.test\/a:v1 is none/],
  'no platform': [
    '{"images":["reg.test/a"],"platforms":["linux"]}',
    400,
    /linux is none; write os\/architecture/,
  ],
  'no login': ['{"images":["reg.test/a"],"logins":{"reg.test":"x"}}', 400, /logins must be/],
  'no URL': ['{"urls":["ftp://a/b"]}', 400, /ADDRESS_INVALID/],
  'a registry that is not listed': [
    '{"images":["evil.test/a"]}',
    403,
    /ORIGIN_NOT_ALLOWED.*Mirror\.Registries/,
  ],
  'a URL that is not listed': ['{"urls":["https://evil.test/a"]}', 403, /ORIGIN_NOT_ALLOWED/],
  'an address of its own': ['{"urls":["http://127.0.0.1:1/a"]}', 403, /ORIGIN_NOT_ALLOWED/],
  'a login for whom it does not read': [
    '{"images":["reg.test/a"],"logins":{"evil.test":{"username":"u","password":"p"}}}',
    403,
    /ORIGIN_NOT_ALLOWED/,
  ],
};

test('what cannot be meant, or is not for this root to read, is refused at once and says why', async () => {
  await using origin = await startOrigin();
  await using root = await startRoot(knowing(origin.url));
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  await eachCase(REFUSED, async ([body, status, said]) => {
    const answer = await get(`${root.url}/api/v1/warm`, { method: 'POST', headers, body });
    assert.is(answer.status, status, answer.text);
    assert.match(answer.text, said);
  });
  assert.is(origin.hits.length, 0);
  for (const id of ['0'.repeat(32), 'x', '..%2f..']) {
    assert.is((await get(`${root.url}/api/v1/warm/${id}`, { headers })).status, 404, id);
  }
  const stranger = { ...headers, authorization: 'Bearer another' };
  assert.is(
    (await get(`${root.url}/api/v1/warm`, { method: 'POST', headers: stranger, body: '{}' })).status,
    401,
  );
});

real('the command warms a root, shows how far it is, and has agents fetch it too', async () => {
  await using registry = await startWatchedRegistry();
  const image = await pushImage(registry.url, 'team/app', 'v1', { layerBytes: [300_000, 10] });
  await using pair = await startPair(knowing(registry.url));
  const flags = ['--root', pair.root.url, '--token', TOKEN, '--agent', pair.agent.url];
  const { out, code } = await runCommand(WARM, ['reg.test/team/app:v1', ...flags]);
  assert.is(code, 0, out);
  assert.match(out, /^root 100%: [\d.]+ kB of [\d.]+ kB$/m);
  assert.match(out, /^The root has [\d.]+ kB of [\d.]+ kB in 4 blobs; [\d.]+ kB of it fetched now\.$/m);
  assert.match(out, `${pair.agent.url} has`);
  await pair.root.stop();
  const asked = registry.hits.length;
  for (const url of urlsOf(registry, image)) {
    assert.is((await download(through(pair.agent, url))).status, 200, 'the agent has it by itself');
  }
  assert.is(registry.hits.length, asked);
});

test('the command says what is wrong, and ends with 1 when something could not be warmed', async () => {
  await using origin = await startOrigin();
  await using root = await startRoot(knowing(origin.url));
  const drawn = new PassThrough();
  const args = [`${origin.url}/not-there`, '--root', root.url, '--token', TOKEN];
  const { out, code } = await runCommand(WARM, args, { terminal: drawn });
  assert.is(code, 1);
  assert.match(out, /not-there: UPSTREAM_REFUSED: .*404/);
  const refused = runCommand(WARM, ['evil.test/a', '--root', root.url, '--token', TOKEN]);
  assert.match((await rejects('UPSTREAM_REFUSED', refused)).message, /403: ORIGIN_NOT_ALLOWED/);
  const stranger = runCommand(WARM, ['reg.test/a', '--root', root.url, '--token', 'another']);
  assert.match((await rejects('UPSTREAM_REFUSED', stranger)).message, /401: API_UNAUTHORIZED/);
  const misuses: Readonly<Record<string, readonly string[]>> = {
    'name what is to be warmed': [],
    'no root is named': ['alpine'],
    'no token is given': ['alpine', '--root', root.url],
    'A b is no image': ['A b', '--root', root.url],
    '--root: :x is no host:port': ['alpine', '--root', ':x', '--token', TOKEN],
    'cannot be read': ['alpine', '--root', root.url, '--token', TOKEN, '--logins', '/no/such'],
  };
  for (const [said, args] of Object.entries(misuses)) {
    assert.match((await rejects('CONFIG_INVALID', runCommand(WARM, args))).message, said);
  }
});

/** Makes what is kept of a job look as old as if nobody had been at it for an hour. */
function age(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true }) as string[]) {
    if (!name.endsWith('.json')) continue;
    const file = join(folder, name);
    const record = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...record, aliveAtMs: record.aliveAtMs - 3_600_000 }));
  }
}

test.run();
