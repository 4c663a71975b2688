import type { Context } from 'koa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Catalog } from '../../../functions/blob/catalog.ts';
import { KiB, MiB } from '../../../functions/blob/chunk.ts';
import { MemoryStore } from '../../../functions/blob/memory.ts';
import type { Rule } from '../../../functions/service/config/settings.ts';
import { createApp } from '../../../functions/service/create-app.ts';
import { OriginAccess } from '../../../functions/service/origin-access.ts';
import { Registries } from '../../../functions/service/registries.ts';
import { Rules } from '../../../functions/service/rules.ts';
import { Mirror } from '../../../sidecar/entry/mirror.ts';
import { Outages } from '../../../sidecar/entry/outages.ts';
import { Tags } from '../../../sidecar/entry/tags.ts';
import { listen, memoryLog, startP2P } from '../../support/app.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { type Ask, get } from '../../support/client.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { CHUNK } from '../../support/reader.ts';
import { pickFrom, seeded } from '../../support/seeded.ts';

const test = suite('sidecar/entry/mirror');

const IMAGE = 'application/vnd.docker.distribution.manifest.v2+json';
const OCI = 'application/vnd.oci.image.manifest.v1+json';
const MANIFEST = Buffer.from('{"schemaVersion":2,"config":{},"layers":[]}');
const OTHER_MANIFEST = Buffer.from('{"schemaVersion":2,"config":{},"layers":[{}]}');
const LAYER = blobOf(2 * CHUNK + 7, 'mirror-layer');

const digestOf = (bytes: Buffer) => `sha256:${sha256(bytes)}`;
const manifestPath = (bytes: Buffer) => `/v2/library/app/manifests/${digestOf(bytes)}`;
const layerPath = `/v2/library/app/blobs/${digestOf(LAYER)}`;
const TAG = '/v2/library/app/manifests/latest';

/** Puts an image where a registry has it: layer, manifest, and the tag. */
function putImage(origin: Origin, manifest = MANIFEST, type = IMAGE): void {
  const headers = { 'content-type': type, 'docker-content-digest': digestOf(manifest) };
  origin.put(layerPath, LAYER);
  origin.put(manifestPath(manifest), manifest, { headers });
  origin.put(TAG, manifest, { headers });
}

/** A mirror in this process: of one registry by default, of more by name. */
async function startMirror(
  origin: Origin,
  { registries = {}, rules = [] }: { registries?: Record<string, string>; rules?: readonly Rule[] } = {},
) {
  const store = new MemoryStore({ maxBytes: 16 * MiB });
  const node = await startP2P({ store });
  const { log, lines } = memoryLog();
  const outages = new Outages(Date.now);
  const { blobs, upstream, self } = node;
  const mirror = new Mirror({
    registries: new Registries(
      { Default: origin.url, Registries: registries },
      new OriginAccess([origin.url, ...Object.values(registries)]),
    ),
    blobs,
    tags: new Tags({
      upstream,
      catalog: new Catalog(store, node.kit.told),
      access: node.kit.reader.access,
      outages,
      maxStaleMs: 60_000,
      patienceMs: 1_500,
      self,
      log,
      now: Date.now,
    }),
    outages,
    patienceMs: 1_500,
    upstream,
    rules: new Rules(rules),
    self,
  });
  const app = createApp(log);
  app.use(function asked(ctx: Context) {
    ctx.respond = false;
    return mirror.handle(ctx.req, ctx.res);
  });
  const server = await listen(app.callback());
  return {
    url: server.url,
    lines,
    kit: node.kit,
    /** Sends the target as it stands. */
    ask: (target: string, ask: Ask = {}) => get(server.url, { ...ask, target }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await node[Symbol.asyncDispose]();
    },
  };
}

const codeOf = ({ text }: { text: string }): unknown => JSON.parse(text).errors[0].code;

test("passes the registry's own answer to a ping on, its challenge unchanged", async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  const challenge = 'Bearer realm="https://auth.test/token?a=b",service="registry.test"';
  origin.route('/v2/', ({ headers }, response) => {
    if (headers.authorization === 'Bearer t') response.end('{}');
    else
      response.writeHead(401, { 'www-authenticate': challenge }).end('{"errors":[{"code":"UNAUTHORIZED"}]}');
  });
  const challenged = await mirror.ask('/v2/');
  assert.is(challenged.status, 401);
  assert.is(challenged.headers['www-authenticate'], challenge);
  assert.is(challenged.text, '{"errors":[{"code":"UNAUTHORIZED"}]}');
  assert.is((await mirror.ask('/v2/', { headers: { authorization: 'Bearer t' } })).status, 200);
});

test('lets clients through while the registry cannot be reached, and asks it once for all requests of a pull', async () => {
  await using origin = await startOrigin({ always: { reset: true } });
  await using mirror = await startMirror(origin);
  for (const method of ['GET', 'HEAD', 'GET']) {
    const answer = await mirror.ask('/v2/', { method });
    assert.is(answer.status, 200);
    assert.is(answer.headers['docker-distribution-api-version'], 'registry/2.0');
    assert.is(answer.text, method === 'HEAD' ? '' : '{}');
  }
  assert.is(origin.hits.length, 1);
});

test('lets clients through while the registry fails or hangs', async () => {
  for (const always of [{ status: 503 }, { delayMs: 60_000, status: 401 }]) {
    await using origin = await startOrigin({ always });
    await using mirror = await startMirror(origin);
    assert.is((await mirror.ask('/v2/')).status, 200);
  }
});

test('serves blobs by HEAD, whole and in ranges, the second time without asking', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  putImage(origin);
  const first = await mirror.ask(layerPath);
  assert.is(first.digest, sha256(LAYER));
  await mirror.kit.reader.settled();
  origin.forget();
  const whole = await mirror.ask(layerPath);
  assert.is(whole.digest, sha256(LAYER));
  assert.is(whole.headers['docker-content-digest'], digestOf(LAYER));
  const head = await mirror.ask(layerPath, { method: 'HEAD' });
  assert.is(head.status, 200);
  assert.is(head.headers['content-length'], String(LAYER.length));
  assert.is(head.headers['docker-content-digest'], digestOf(LAYER));
  const range = await mirror.ask(layerPath, { headers: { range: `bytes=${CHUNK - 5}-${CHUNK + 4}` } });
  assert.is(range.status, 206);
  assert.is(range.digest, sha256(LAYER.subarray(CHUNK - 5, CHUNK + 5)));
  const beyond = await mirror.ask(layerPath, { headers: { range: `bytes=${LAYER.length}-` } });
  assert.is(beyond.status, 416);
  assert.is(beyond.headers['content-range'], `bytes */${LAYER.length}`);
  assert.is(codeOf(beyond), 'RANGE_INVALID');
  assert.is(origin.hits.length, 0);
});

test('serves a manifest by digest to clients that accept one type after it was asked for by another', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  putImage(origin);
  for (const accept of ['text/plain', IMAGE]) {
    const answer = await mirror.ask(manifestPath(MANIFEST), { headers: { accept } });
    assert.is(answer.status, 200);
    assert.ok(answer.bytes.equals(MANIFEST));
    assert.is(answer.headers['content-type'], IMAGE);
    assert.is(answer.headers['docker-content-digest'], digestOf(MANIFEST));
    assert.is(answer.headers['content-length'], String(MANIFEST.length));
    assert.ok(answer.headers.etag);
    await mirror.kit.reader.settled();
  }
  assert.is(origin.hits.length, 1);
  for (const type of [IMAGE, OCI, 'application/vnd.oci.image.index.v1+json']) {
    assert.ok(origin.hits[0]?.headers.accept?.includes(type), `${type} is accepted`);
  }
});

test('has a manifest at hand once its head was asked for', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  putImage(origin);
  const head = await mirror.ask(manifestPath(MANIFEST), { method: 'HEAD' });
  assert.is(head.headers['content-length'], String(MANIFEST.length));
  assert.is(head.headers['content-type'], IMAGE);
  await mirror.kit.reader.settled();
  assert.ok((await mirror.ask(manifestPath(MANIFEST))).bytes.equals(MANIFEST));
  assert.is(origin.hits.length, 1);
});

test("keeps each registry's media type of the same manifest", async () => {
  await using one = await startOrigin();
  await using two = await startOrigin();
  putImage(one, MANIFEST, IMAGE);
  putImage(two, MANIFEST, OCI);
  await using mirror = await startMirror(one, { registries: { 'two.test': two.url } });
  for (let round = 0; round < 2; round += 1) {
    assert.is((await mirror.ask(manifestPath(MANIFEST))).headers['content-type'], IMAGE);
    const other = await mirror.ask(`${manifestPath(MANIFEST)}?ns=two.test`);
    assert.is(other.headers['content-type'], OCI);
    assert.is(other.headers['oci-namespace'], 'two.test');
  }
});

test('serves no byte of a manifest before all of it is verified', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, filler: 'x'.repeat(200 * KiB) }));
  putImage(origin, manifest);
  origin.always = { corrupt: manifest.length - 10 };
  const answer = await mirror.ask(manifestPath(manifest));
  assert.is(answer.status, 502);
  assert.is(codeOf(answer), 'DIGEST_INVALID');
  origin.always = {};
  assert.is((await mirror.ask(manifestPath(manifest))).digest, sha256(manifest));
});

test('serves a tag by the manifest that it names, by one question and with nothing to fetch the second time', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  putImage(origin);
  const methods = () => origin.hits.map(({ method, url }) => `${method} ${url}`);
  for (const asked of [[`HEAD ${TAG}`, `GET ${manifestPath(MANIFEST)}`], [`HEAD ${TAG}`]]) {
    origin.forget();
    const answer = await mirror.ask(TAG, { headers: { accept: IMAGE } });
    assert.ok(answer.bytes.equals(MANIFEST));
    assert.is(answer.headers['content-type'], IMAGE);
    assert.is(answer.headers['docker-content-digest'], digestOf(MANIFEST));
    assert.is(answer.headers.warning, undefined);
    assert.equal(methods(), asked);
    await mirror.kit.reader.settled();
  }
});

test('answers 50 HEADs of a tag at once by one question', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  putImage(origin);
  origin.faults.push({ delayMs: 200 });
  const asks = Array.from({ length: 50 }, () =>
    mirror.ask(TAG, { method: 'HEAD', headers: { accept: IMAGE } }),
  );
  for (const answer of await Promise.all(asks)) {
    assert.is(answer.status, 200);
    assert.is(answer.headers['docker-content-digest'], digestOf(MANIFEST));
    assert.is(answer.headers['content-length'], String(MANIFEST.length));
    assert.is(answer.headers['content-type'], IMAGE);
  }
  assert.is(origin.hits.length, 1);
});

test('sees a tag move at the next pull', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  putImage(origin);
  assert.is((await mirror.ask(TAG)).digest, sha256(MANIFEST));
  putImage(origin, OTHER_MANIFEST);
  assert.is((await mirror.ask(TAG)).digest, sha256(OTHER_MANIFEST));
});

test('leaves a manifest to the registry that it has under its tag alone', async () => {
  // docker-registry makes a schema 1 manifest, signed anew each time, for who accepts nothing later.
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  origin.put(TAG, MANIFEST, {
    headers: { 'content-type': IMAGE, 'docker-content-digest': digestOf(MANIFEST) },
  });
  const answer = await mirror.ask(TAG);
  assert.is(answer.status, 200);
  assert.ok(answer.bytes.equals(MANIFEST));
  assert.is((await mirror.ask(manifestPath(MANIFEST))).status, 404);
});

test('keeps the tags of registries apart that have a repository of the same name', async () => {
  await using one = await startOrigin();
  await using two = await startOrigin();
  putImage(one);
  putImage(two, OTHER_MANIFEST);
  await using mirror = await startMirror(one, { registries: { 'one.test': one.url, 'two.test': two.url } });
  const both = async () => {
    assert.is((await mirror.ask(`${TAG}?ns=one.test`)).digest, sha256(MANIFEST));
    assert.is((await mirror.ask(`${TAG}?ns=two.test`)).digest, sha256(OTHER_MANIFEST));
  };
  await both();
  await mirror.kit.reader.settled();
  one.always = { status: 503 };
  two.always = { status: 503 };
  await both();
});

test('serves what a tag last named while the registry is away, and says so', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  putImage(origin);
  await mirror.ask(TAG, { headers: { accept: IMAGE } });
  await mirror.kit.reader.settled();
  origin.always = { reset: true };
  for (const method of ['HEAD', 'GET']) {
    const answer = await mirror.ask(TAG, { method, headers: { accept: IMAGE } });
    assert.is(answer.status, 200);
    assert.is(answer.headers['content-type'], IMAGE);
    assert.is(answer.headers['docker-content-digest'], digestOf(MANIFEST));
    assert.is(answer.headers['content-length'], String(MANIFEST.length));
    assert.match(String(answer.headers.age), /^\d+$/);
    assert.match(String(answer.headers.warning), /^110 /);
    assert.match(String(answer.headers['cache-status']), /^dadip2p; hit; detail=stale/);
    if (method === 'GET') assert.ok(answer.bytes.equals(MANIFEST));
  }
  const unknown = await mirror.ask(TAG, { headers: { accept: OCI } });
  assert.is(unknown.status, 502);
  assert.is(codeOf(unknown), 'UNAVAILABLE');
});

test('asks for a private pull no more than the registry would be asked without us, and serves nobody else from it', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  const [alice, bob] = ['Basic YWxpY2U6cw==', 'Basic Ym9iOnM='];
  const headers = {
    'content-type': IMAGE,
    'content-length': String(MANIFEST.length),
    'docker-content-digest': digestOf(MANIFEST),
  };
  for (const path of [TAG, manifestPath(MANIFEST)]) {
    origin.route(path, (request, response) => {
      if (request.headers.authorization !== alice)
        response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
      else response.writeHead(200, headers).end(request.method === 'HEAD' ? undefined : MANIFEST);
    });
  }
  const pull = (authorization: string) => mirror.ask(TAG, { headers: { accept: IMAGE, authorization } });
  assert.ok((await pull(alice)).bytes.equals(MANIFEST));
  await mirror.kit.reader.settled();
  origin.forget();
  assert.ok((await pull(alice)).bytes.equals(MANIFEST));
  assert.equal(
    origin.hits.map(({ method, url }) => `${method} ${url}`),
    [`HEAD ${TAG}`],
  );
  assert.is((await pull(bob)).status, 401);

  await origin[Symbol.asyncDispose]();
  const stale = await pull(alice);
  assert.ok(stale.bytes.equals(MANIFEST));
  assert.match(String(stale.headers.warning), /^110 /);
  assert.is((await pull(bob)).status, 401);
  for (const [authorization, method] of [
    ['Basic ZXZlOnM=', 'GET'],
    ['Basic ZXZlOnM=', 'HEAD'],
    ['', 'HEAD'],
  ] as const) {
    const refused = await mirror.ask(TAG, {
      method,
      headers: { accept: IMAGE, ...(authorization && { authorization }) },
    });
    assert.is(refused.status, 403);
    assert.is(refused.headers['docker-content-digest'], undefined);
  }
});

for (const status of [401, 403, 404, 429]) {
  test(`passes the registry's ${status} on as it came: of tags, manifests, blobs and lists`, async () => {
    const headers = {
      'www-authenticate': 'Basic realm="r"',
      'retry-after': '7',
      'content-type': 'application/json',
    };
    await using origin = await startOrigin({
      always: { status, headers, body: '{"errors":[{"code":"ITS_OWN"}]}' },
    });
    await using mirror = await startMirror(origin);
    for (const path of [TAG, manifestPath(MANIFEST), layerPath, '/v2/library/app/tags/list']) {
      const answer = await mirror.ask(path);
      assert.is(answer.status, status, path);
      assert.is(answer.headers['www-authenticate'], 'Basic realm="r"', path);
      assert.is(answer.headers['retry-after'], '7', path);
      assert.is(codeOf(answer), 'ITS_OWN', path);
    }
    assert.is((await mirror.ask(TAG, { method: 'HEAD' })).status, status);
  });
}

test('passes lists on with their query and their links, ns left out', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin, { registries: { 'one.test': origin.url } });
  origin.route('/v2/library/app/tags/list', ({ url }, response) => {
    response.writeHead(200, { link: '</v2/library/app/tags/list?n=2&last=b>; rel="next"' }).end(url);
  });
  const list = '/v2/library/app/tags/list';
  for (const [asked, sent] of [
    [list, list],
    [`${list}?n=2&last=a`, `${list}?n=2&last=a`],
    [`${list}?ns=one.test`, list],
    [`${list}?n=2&ns=one.test&last=%61`, `${list}?n=2&last=%61`],
    [`${list}?n%73=one.test&n=2`, `${list}?n=2`],
  ] as const) {
    const answer = await mirror.ask(asked);
    assert.is(answer.status, 200);
    assert.is(answer.text, sent);
    assert.is(answer.headers.link, '</v2/library/app/tags/list?n=2&last=b>; rel="next"');
  }
});

test('leaves digests that cannot be checked here to the registry', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  const path = `/v2/library/app/manifests/sha512:${'ab'.repeat(64)}`;
  origin.put(path, MANIFEST, { headers: { 'content-type': IMAGE } });
  for (let round = 1; round <= 2; round += 1) {
    assert.ok((await mirror.ask(path)).bytes.equals(MANIFEST));
    assert.is(origin.hits.length, round);
  }
});

test('refuses to write', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const upload = { method, body: 'bytes', headers: { 'content-length': '5' } };
    const answer = await mirror.ask('/v2/library/app/blobs/uploads/', upload);
    assert.is(answer.status, 405, method);
    assert.is(answer.headers.allow, 'GET, HEAD');
    assert.match(String(answer.headers['content-type']), /^application\/json/);
    assert.is(codeOf(answer), 'UNSUPPORTED');
  }
  assert.is(origin.hits.length, 0);
});

test('refuses what it may not ask for in the words of the registry API, and asks nobody', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin, { rules: [{ Match: '/library/secret/', Action: 'deny' }] });
  for (const [target, status, code] of [
    [`${TAG}?ns=evil.test`, 403, 'DENIED'],
    [`${TAG}?ns=127.0.0.1`, 403, 'DENIED'],
    [`/v2/?ns=169.254.169.254`, 403, 'DENIED'],
    [`${layerPath}?ns=http://evil.test`, 400, 'NAME_INVALID'],
    ['/v2/library/secret/manifests/latest', 403, 'DENIED'],
    ['/v2/library/../app/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/library%2fapp/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/library/app/manifests/latest%00', 400, 'NAME_INVALID'],
    ['/v2/library/app/blobs/sha256:abc', 400, 'DIGEST_INVALID'],
    ['/v2/library/app/manifests/.latest', 404, 'MANIFEST_UNKNOWN'],
  ] as const) {
    const answer = await mirror.ask(target);
    assert.is(answer.status, status, target);
    assert.is(codeOf(answer), code, target);
    assert.match(String(answer.headers['content-type']), /^application\/json/, target);
  }
  assert.is(origin.hits.length, 0);
});

const TOKENS = [
  '/',
  '/v2/',
  'app',
  'library/',
  '..',
  '.',
  '//',
  '%2f',
  '%2e%2e',
  '%00',
  '\\\\',
  '@',
  ':',
  '?',
  '#',
  '&',
]
  .concat([
    'blobs/',
    'manifests/',
    'tags/list',
    'referrers/',
    'sha256:',
    'ab'.repeat(32),
    'latest',
    '_catalog',
    ';',
  ])
  .concat([
    'ns=evil.test',
    'ns=127.0.0.1',
    'ns=',
    'n=1',
    'http://evil.test/',
    'A',
    'é',
    '*',
    '$(id)',
    '~',
    '+',
  ]);

test('sends nothing but paths of the registry API to the registry, whatever is asked', async () => {
  await using origin = await startOrigin();
  await using mirror = await startMirror(origin);
  const random = seeded('mirror');
  for (let round = 0; round < 300; round += 1) {
    const target = `/v2/${Array.from({ length: 1 + Math.floor(random() * 7) }, () => pickFrom(random, TOKENS)).join('')}`;
    const { status } = await mirror.ask(encodeURI(decodeURI(encodeURI(target))).replace(/%25/g, '%'));
    assert.ok(status >= 200 && status < 500, `${status} for ${target}`);
  }
  assert.ok(origin.hits.length > 30, 'some are paths of the API');
  for (const { url } of origin.hits) {
    const [, path = '', query = ''] = /^([^?]*)\??(.*)$/.exec(url) ?? [];
    assert.match(path, /^\/v2\/(?:[^/%\\#]+(?:\/|$))*$/, url);
    assert.not.match(path, /\/\.{1,2}(?:\/|$)/, url);
    assert.not(new URLSearchParams(query).has('ns'), url);
  }
});

test('sends a credential to the registry it was given for, and to no other', async () => {
  await using one = await startOrigin();
  await using two = await startOrigin();
  await using store = await startOrigin();
  putImage(one);
  putImage(two);
  two.route(layerPath, (_, response) => {
    response.writeHead(307, { location: store.put('/layer', LAYER) }).end();
  });
  await using mirror = await startMirror(one, { registries: { 'two.test': two.url } });
  const headers = { authorization: 'Basic dXNlcjpzM2NyZXQ=' };
  for (const path of ['/v2/', TAG, layerPath, '/v2/_catalog'])
    await mirror.ask(`${path}?ns=two.test`, { headers });
  assert.is(one.hits.length, 0);
  for (const { url, headers: sent } of two.hits) assert.is(sent.authorization, headers.authorization, url);
  assert.ok(store.hits.length > 0);
  for (const { headers: sent } of store.hits) assert.is(sent.authorization, undefined);
});

test.run();
