import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HttpClient } from '../../../functions/service/http-client.ts';
import { OriginAccess } from '../../../functions/service/origin-access.ts';
import { type Login, RegistryAuth } from '../../../functions/service/registry-auth.ts';
import { eachCase } from '../../support/each-case.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { rejects } from '../../support/rejects.ts';
import { PATIENCE_MS } from '../../support/until.ts';

const test = suite('functions/service/registry-auth');

const LIMITS = { connectMs: PATIENCE_MS, firstByteMs: PATIENCE_MS, idleMs: PATIENCE_MS, connections: 4 };
const BASIC = `Basic ${Buffer.from('alice:se:cret').toString('base64')}`;

interface Kit extends AsyncDisposable {
  readonly auth: RegistryAuth;
  readonly ask: (repository?: string) => Promise<string | undefined>;
  nowMs: number;
}

/** What asks a registry, which is all that it may ask unless told otherwise. */
function kit(registry: Origin, login?: Login, origins: readonly string[] = [registry.url]): Kit {
  const http = new HttpClient(LIMITS);
  const logins = new Map(login === undefined ? [] : [[registry.url, login]]);
  const made: Kit = {
    auth: new RegistryAuth({ http, access: new OriginAccess(origins), logins, now: () => made.nowMs }),
    ask: (repository = 'team/app') =>
      made.auth.authorization(registry.url, repository, AbortSignal.timeout(PATIENCE_MS)),
    nowMs: 0,
    [Symbol.asyncDispose]: () => http.close(),
  };
  return made;
}

/** A registry that challenges like this, and what its token server was asked. */
async function challenging(challenge: (origin: Origin) => string | string[]) {
  const origin = await startOrigin();
  const asked: { query: string; authorization: string | undefined }[] = [];
  origin.route('/v2/', (_, reply) => {
    reply.writeHead(401, { 'www-authenticate': challenge(origin) }).end();
  });
  origin.route('/token', (request, reply) => {
    const { searchParams } = new URL(request.url ?? '', origin.url);
    asked.push({ query: String(searchParams), authorization: request.headers.authorization });
    reply.end(JSON.stringify({ token: `t${asked.length}`, expires_in: 100 }));
  });
  return { origin, asked };
}

test('a registry that asks for nothing is shown nothing', async () => {
  await using registry = await startOrigin();
  registry.put('/v2/', Buffer.from('{}'));
  await using it = kit(registry, { username: 'alice', password: 'se:cret' });
  assert.is(await it.ask(), undefined);
  await it.ask('another');
  assert.is(registry.hits.length, 1, 'once for all');
});

test('a password goes where a password is asked for, and nobody has none', async () => {
  const { origin } = await challenging(() => 'Basic realm="x"');
  await using registry = origin;
  await using it = kit(registry, { username: 'alice', password: 'se:cret' });
  assert.is(await it.ask(), BASIC);
  await using nobody = kit(registry);
  assert.is(await nobody.ask(), undefined);
});

test('a token is got for each repository, from where the registry says, and again at half of its life', async () => {
  const { origin, asked } = await challenging(
    ({ url }) => `Bearer realm="${url}/token?account=x",service="reg, test",scope="repository:other:push"`,
  );
  await using registry = origin;
  await using it = kit(registry, { username: 'alice', password: 'se:cret' });
  assert.equal(
    await Promise.all([it.ask(), it.ask()]),
    ['Bearer t1', 'Bearer t1'],
    'once for all who ask at once',
  );
  const query = 'account=x&service=reg%2C+test&scope=repository%3Ateam%2Fapp%3Apull';
  assert.equal(asked, [{ query, authorization: BASIC }]);
  assert.is(await it.ask('b'), 'Bearer t2');
  it.nowMs = 49_000;
  assert.is(await it.ask(), 'Bearer t1');
  it.nowMs = 51_000;
  assert.is(await it.ask(), 'Bearer t3');
  it.auth.forget(registry.url, 'team/app');
  assert.is(await it.ask(), 'Bearer t4');
});

test('a registry may ask for either, in one line or two; a token is what it gets', () =>
  eachCase(
    {
      'one line': ({ url }: Origin) => `Basic realm="x", Bearer realm="${url}/token"`,
      'two lines': ({ url }: Origin) => ['Basic realm="x"', `bearer realm="${url}/token"`],
    },
    async (challenge) => {
      const { origin } = await challenging(challenge);
      await using registry = origin;
      await using it = kit(registry);
      assert.is(await it.ask(), 'Bearer t1');
    },
  ));

test('what the token server refuses is told, and asked again the next time', async () => {
  const { origin } = await challenging(({ url }) => `Bearer realm="${url}/refusing"`);
  await using registry = origin;
  const answers = [
    { status: 401, body: '{}' },
    { status: 200, body: 'no JSON' },
    { status: 200, body: '{"token":"with space"}' },
    { status: 200, body: '{"access_token":"right"}' },
  ];
  registry.route('/refusing', (_, reply) => {
    const { status, body } = answers.shift() ?? { status: 500, body: '' };
    reply.writeHead(status).end(body);
  });
  await using it = kit(registry);
  assert.is((await rejects('UPSTREAM_REFUSED', it.ask())).status, 401);
  for (let n = 0; n < 2; n += 1) assert.is((await rejects('UPSTREAM_REFUSED', it.ask())).status, 502);
  assert.is(await it.ask(), 'Bearer right');
});

test('nobody is asked who may not be: registries are listed, token servers have addresses that may be asked', async () => {
  const { origin } = await challenging(
    ({ url }) => `Bearer realm="${url.replace('127.0.0.1', '127.0.0.2')}/token"`,
  );
  await using registry = origin;
  await using it = kit(registry);
  await rejects('ORIGIN_NOT_ALLOWED', it.ask());
  await using stranger = kit(registry, undefined, ['other.test']);
  registry.forget();
  await rejects('ORIGIN_NOT_ALLOWED', stranger.ask());
  assert.is(registry.hits.length, 0);
});

test('a challenge that cannot be met says so', () =>
  eachCase(
    {
      none: '',
      negotiate: 'Negotiate',
      'no realm': 'Bearer service="x"',
      'a file': 'Bearer realm="file:///x"',
    },
    async (challenge) => {
      const { origin } = await challenging(() => challenge);
      await using registry = origin;
      await using it = kit(registry);
      await rejects('UPSTREAM_FAILED', it.ask());
    },
  ));

test.run();
