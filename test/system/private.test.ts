import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createAuthority } from '../support/authority.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get, type WholeAnswer } from '../support/client.ts';
import { pushImage } from '../support/image.ts';
import { listObjects, startMinio } from '../support/minio.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { metric, type Pair, startPair, through } from '../support/pair.ts';
import {
  challengeOf,
  DENIED,
  type PrivateOrigin,
  startPrivateOrigin,
  UNAUTHORIZED,
} from '../support/private-origin.ts';
import { need } from '../support/programs.ts';
import { startWatchedRegistry } from '../support/registry.ts';
import { startTokenIssuer } from '../support/token-issuer.ts';
import { until } from '../support/until.ts';

const NAME = 'system/private';
const test = suite(NAME);

const BLOB = blobOf(5 * 64 * 1024 + 1, 'private');
const PATH = `/v2/team/app/blobs/sha256:${sha256(BLOB)}`;
// Texts that nothing else could contain.
const ALICE = 'alice-token-6f1c2b';
const BOB = 'bob-token-93ad07';
const SIGNATURE = 'signature-51e8d4';
const SECRETS = [ALICE, BOB, SIGNATURE];

const as = (token: string) => ({ authorization: `Bearer ${token}` });

/** Ways to ask for a blob that must all meet the same guard. */
const ASKS: Readonly<Record<string, { method?: string; headers?: Record<string, string> }>> = {
  whole: {},
  range: { headers: { range: 'bytes=100-199' } },
  'last bytes': { headers: { range: 'bytes=-5' } },
  'several ranges': { headers: { range: 'bytes=0-1,70000-70001' } },
  'beyond its end': { headers: { range: 'bytes=99999999-' } },
  HEAD: { method: 'HEAD' },
  'if changed': { headers: { 'if-none-match': '*' } },
  'if changed since': { headers: { 'if-modified-since': 'Wed, 01 Jan 2031 00:00:00 GMT' } },
  'if still so': { headers: { 'if-match': '"another"' } },
  'no cache': { headers: { 'cache-control': 'no-cache' } },
};

const start = async (access = {}): Promise<{ origin: PrivateOrigin; pair: Pair } & AsyncDisposable> => {
  const origin = await startPrivateOrigin({ [ALICE]: ['team/app'], [BOB]: ['team/other'] });
  origin.put(PATH, BLOB);
  const settings = { LogLevel: 'trace', Access: access } as const;
  const pair = await startPair({ origins: [origin.url], root: settings, agent: settings });
  return {
    origin,
    pair,
    async [Symbol.asyncDispose]() {
      await pair[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  };
};

function isRefused(answer: WholeAnswer, token: string | undefined, method = 'GET'): void {
  assert.is(answer.status, token === undefined ? 401 : 403);
  assert.is(answer.headers['www-authenticate'], token === undefined ? challengeOf('team/app') : undefined);
  assert.is(answer.text, method === 'HEAD' ? '' : token === undefined ? UNAUTHORIZED : DENIED);
  for (const name of ['x-p2p-blob', 'x-p2p-access', 'etag', 'x-p2p-error', 'content-digest']) {
    assert.is(answer.headers[name], undefined, name);
  }
}

async function refusesAll(node: NodeProcess, url: string): Promise<void> {
  for (const [name, ask] of Object.entries(ASKS)) {
    for (const token of [BOB, undefined]) {
      const headers = { ...ask.headers, ...(token === undefined ? {} : as(token)) };
      const answer = await get(through(node, url), { ...ask, headers });
      try {
        isRefused(answer, token, ask.method);
      } catch (cause) {
        throw new Error(`${name}, ${token ?? 'nobody'}`, { cause });
      }
    }
  }
}

const idle = (node: NodeProcess) => until('no flight', async () => (await metric(node, 'p2p_flights')) === 0);

async function warm({ agent, root }: Pair, url: string): Promise<void> {
  const answer = await get(through(agent, url), { headers: as(ALICE) });
  assert.is(answer.digest, sha256(BLOB));
  for (const node of [agent, root]) await idle(node);
}

test('who has no right gets the answer of the origin, however they ask, cold and warm, of agent and root', async () => {
  await using started = await start();
  const { origin, pair } = started;
  const url = origin.url + PATH;
  for (const node of [pair.agent, pair.root]) await refusesAll(node, url);
  await warm(pair, url);
  for (const node of [pair.agent, pair.root]) await refusesAll(node, url);
  const before = origin.hits.length;
  for (const node of [pair.agent, pair.root]) {
    assert.is((await get(through(node, url), { headers: as(ALICE) })).digest, sha256(BLOB));
  }
  assert.is(origin.hits.length, before, 'who has the right is served from the cache, without a question');
  const checks = await metric(pair.agent, 'p2p_access_checks_total', 'outcome="refused"');
  assert.ok(checks > 0 && checks <= 2 * Object.keys(ASKS).length, `${checks} checks`);
});

test('who has no right gets the answer of the origin while that is away, too', async () => {
  await using started = await start();
  const { origin, pair } = started;
  const url = origin.url + PATH;
  await warm(pair, url);
  for (const node of [pair.agent, pair.root]) await refusesAll(node, url);
  origin.refuses = undefined;
  origin.always = { status: 503 };
  for (const node of [pair.agent, pair.root]) {
    // What is doubted, or not served from the cache, needs the origin.
    const answer = await get(through(node, url), { headers: as(BOB) });
    isRefused(answer, BOB);
    isRefused(await get(through(node, url)), undefined);
    const range = await get(through(node, url), { headers: { ...as(ALICE), range: 'bytes=0-9' } });
    assert.ok(range.bytes.equals(BLOB.subarray(0, 10)));
    const stranger = await get(through(node, url), { headers: as('stranger') });
    assert.is(stranger.status, 403);
    assert.is(stranger.headers['x-p2p-error'], 'ACCESS_UNPROVEN');
  }
});

test('a right that the origin took back ends with Access.Ttl', async () => {
  await using started = await start({ Ttl: '1s' });
  const { origin, pair } = started;
  const url = origin.url + PATH;
  await warm(pair, url);
  origin.rights = { [ALICE]: [] };
  for (const node of [pair.agent, pair.root]) {
    const refused = await until('the end of the right', async () => {
      const answer = await get(through(node, url), { headers: as(ALICE) });
      return answer.status === 200 ? undefined : answer;
    });
    isRefused(refused, ALICE);
  }
});

test('fifty clients with one new token cost the origin one question, for no byte', async () => {
  await using started = await start();
  const { origin, pair } = started;
  await warm(pair, origin.url + PATH);
  origin.rights = { ...origin.rights, carol: ['team/app'] };
  origin.forget();
  const headers = as('carol');
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => get(through(pair.agent, origin.url + PATH), { headers })),
  );
  for (const answer of answers) assert.is(answer.digest, sha256(BLOB));
  assert.equal(
    origin.hits.map(({ method }) => method),
    ['HEAD'],
  );
  assert.is(origin.bytesSent, 0);
});

test('a public blob costs no question, at an agent and a root that have restarted neither', async () => {
  await using started = await start();
  const { origin, pair } = started;
  origin.rights = { '': ['team/app'] };
  const url = origin.url + PATH;
  assert.is((await get(through(pair.agent, url))).digest, sha256(BLOB));
  const chunks = 6;
  assert.is(origin.hits.length, chunks);
  for (const node of [pair.agent, pair.root]) {
    await idle(node);
    await node.killWorker();
    for (const headers of [{}, as(BOB)]) {
      assert.is((await get(through(node, url), { headers })).digest, sha256(BLOB));
    }
    assert.is(await metric(node, 'p2p_access_checks_total'), 0);
  }
  assert.is(origin.hits.length, chunks);
});

/** All that a node may have put a secret in. */
async function traces(node: NodeProcess): Promise<string[]> {
  const files = await readdir(node.cacheDir, { recursive: true, withFileTypes: true });
  const paths = files.map((file) => join(file.parentPath, file.name));
  const contents = await Promise.all(
    files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), 'latin1')),
  );
  const { text } = await get(`http://127.0.0.1:${node.adminPort}/metrics`);
  return [...paths, ...contents, text, node.output()];
}

async function useSecrets({ origin, pair }: { origin: PrivateOrigin; pair: Pair }): Promise<void> {
  const url = origin.url + PATH;
  const signed = `${origin.put('/signed', BLOB)}?X-Amz-Signature=${SIGNATURE}`;
  await warm(pair, url);
  origin.refuses = undefined;
  await get(through(pair.agent, signed));
  origin.faults.push({ cutAfterBytes: 10 }, { status: 500 }, { status: 404 });
  await get(through(pair.agent, `${origin.url}/other?X-Amz-Signature=${SIGNATURE}`), { headers: as(ALICE) });
  for (const node of [pair.agent, pair.root]) await get(through(node, url), { headers: as(BOB) });
  origin.always = { reset: true };
  for (const node of [pair.agent, pair.root]) {
    await get(through(node, url), { headers: as(`${BOB}2`) });
    await get(through(node, `${signed}2`));
    await idle(node);
  }
}

test('no credential is found in a cache folder, a log or a metric', async () => {
  await using started = await start();
  await useSecrets(started);
  for (const node of [started.pair.agent, started.pair.root]) {
    const all = await traces(node);
    assert.ok(all.length > 20, 'there is something to search');
    for (const secret of SECRETS) {
      assert.is(all.filter((text) => text.includes(secret)).length, 0, secret);
      // Nor as a hash that whoever finds it could try tokens against.
      assert.is(all.filter((text) => text.includes(sha256(Buffer.from(secret)))).length, 0, secret);
    }
  }
});

const overS3 = need(test, NAME, 'minio');

overS3('no credential is found in S3', async () => {
  await using s3 = await startMinio();
  await using origin = await startPrivateOrigin({ [ALICE]: ['team/app'], [BOB]: ['team/other'] });
  origin.put(PATH, BLOB);
  const { endpoint, bucket, region, accessKeyId, secretAccessKey } = s3;
  const S3 = {
    Endpoint: endpoint,
    Bucket: bucket,
    Region: region,
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
  };
  await using pair = await startPair({ origins: [origin.url], root: { S3 } });
  await useSecrets({ origin, pair });
  const objects = await listObjects(s3);
  assert.ok(objects.length > 6, `${objects.length} objects`);
  for (const secret of SECRETS) {
    assert.is(objects.filter((object) => object.includes(secret)).length, 0, secret);
  }
});

const real = need(test, NAME, 'docker-registry', 'openssl');

real('a real registry with tokens: blobs, manifests and ranges, private and public', async () => {
  await using authority = await createAuthority();
  await using issuer = await startTokenIssuer(authority, {
    users: {
      alice: { password: 'a', rights: { 'team/app': ['pull', 'push'], 'library/open': ['push', 'pull'] } },
      bob: { password: 'b', rights: {} },
    },
    anonymous: { 'library/open': ['pull'] },
  });
  await using registry = await startWatchedRegistry({ tokens: issuer });
  const push = (repository: string) =>
    pushImage(registry.url, repository, 'v1', {
      layerBytes: [200_000],
      seed: repository,
      headers: as(issuer.tokenFor('alice', `repository:${repository}:pull,push`)),
    });
  const [image, open] = [await push('team/app'), await push('library/open')];
  await using pair = await startPair({ origins: [registry.url] });
  const urlsOf = ({ repository, manifest, layers }: typeof image) => [
    `${registry.url}/v2/${repository}/manifests/${manifest.digest}`,
    `${registry.url}/v2/${repository}/blobs/${layers[0]?.digest}`,
  ];
  const tokenOf = (user: string) => as(issuer.tokenFor(user, 'repository:team/app:pull'));
  for (const state of ['cold', 'warm']) {
    for (const url of urlsOf(image)) {
      for (const node of [pair.agent, pair.root]) {
        for (const headers of [{}, tokenOf('bob')]) {
          for (const part of [{}, { range: 'bytes=0-9' }]) {
            const own = await get(url, { headers: { ...headers, ...part } });
            const ours = await get(through(node, url), { headers: { ...headers, ...part } });
            assert.is(ours.status, 401, state);
            assert.is(ours.headers['www-authenticate'], own.headers['www-authenticate']);
            assert.is(ours.text, own.text);
          }
        }
      }
      const answer = await get(through(pair.agent, url), { headers: tokenOf('alice') });
      assert.is(`sha256:${answer.digest}`, url.slice(url.lastIndexOf('sha256:')));
    }
    for (const node of [pair.agent, pair.root]) await idle(node);
  }

  // What a token of nobody may read is public: who comes next needs none.
  const nobody = await fetch(`${issuer.realm}?service=${issuer.service}&scope=repository:library/open:pull`);
  const { token } = (await nobody.json()) as { token: string };
  for (const url of urlsOf(open)) {
    assert.is((await get(through(pair.agent, url), { headers: as(token) })).status, 200);
  }
  const before = registry.hits.length;
  for (const url of urlsOf(open)) {
    for (const headers of [{}, tokenOf('bob')]) {
      assert.is((await get(through(pair.agent, url), { headers })).status, 200);
    }
  }
  assert.is(registry.hits.length, before);
});

test('who may read what is not looked at where it is set so, and that is said aloud', async () => {
  await using started = await start({ Check: false });
  const { origin, pair } = started;
  await warm(pair, origin.url + PATH);
  for (const node of [pair.agent, pair.root]) {
    assert.is((await get(through(node, origin.url + PATH))).digest, sha256(BLOB));
    assert.is(node.logs('access_unchecked')[0]?.level, 'warn');
  }
});

test.run();
