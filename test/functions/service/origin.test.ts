import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Reply, Source } from '../../../functions/blob/upstream.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import type { HeaderLines } from '../../../functions/protocol/errors.ts';
import type { Rule } from '../../../functions/service/config/settings.ts';
import { HttpClient } from '../../../functions/service/http-client.ts';
import type { HttpRequest } from '../../../functions/service/http-request.ts';
import { OriginUpstream } from '../../../functions/service/origin.ts';
import { OriginAccess } from '../../../functions/service/origin-access.ts';
import { Rules } from '../../../functions/service/rules.ts';
import { listen } from '../../support/app.ts';
import { blobOf, sha256 } from '../../support/blob-of.ts';
import { startOrigin } from '../../support/origin.ts';
import { rejects } from '../../support/rejects.ts';

const test = suite('functions/service/origin');

const NEVER = new AbortController().signal;
const LIMITS = { connectMs: 10_000, firstByteMs: 2_000, idleMs: 2_000, connections: 8 };

function openUpstream(
  origins: readonly string[],
  lookup?: OriginAccess['lookup'],
  rules: readonly Rule[] = [],
) {
  const access = new OriginAccess(origins);
  const http = new HttpClient({ ...LIMITS, lookup: lookup ?? access.lookup });
  const upstream = new OriginUpstream({ http, access, rules: new Rules(rules), random: () => 0 });
  return {
    sources: [...upstream.sources()] as Source[],
    open: (url: string, headers: HeaderLines = {}) =>
      (upstream.sources()[Symbol.iterator]().next().value as Source).open(
        { address: parseAddress(url), method: 'GET', headers },
        NEVER,
      ),
    [Symbol.asyncDispose]: () => http.close(),
  };
}

const closing = (client: HttpClient) => ({ client, [Symbol.asyncDispose]: () => client.close() });

async function bytesOf({ body }: Reply): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await body.read((piece) => {
    pieces.push(Buffer.from(piece));
  });
  return Buffer.concat(pieces);
}

test('reads what is listed', async () => {
  await using origin = await startOrigin();
  await using upstream = openUpstream([origin.url]);
  const bytes = blobOf(1000, 'listed');
  assert.is(sha256(await bytesOf(await upstream.open(origin.put('/blob', bytes)))), sha256(bytes));
});

test('asks nobody who is not listed', async () => {
  await using origin = await startOrigin();
  await using upstream = openUpstream(['http://127.0.0.1:1', '*.example']);
  await rejects('ORIGIN_NOT_ALLOWED', upstream.open(origin.put('/blob', blobOf(1, 'unlisted'))));
  assert.is(origin.hits.length, 0);
});

test('is asked up to three times by those who ask again', async () => {
  await using upstream = openUpstream([]);
  assert.is(upstream.sources.length, 3);
  assert.ok(upstream.sources.every(({ kind }) => kind === 'origin'));
});

test('stops waiting to ask again when the signal aborts', async () => {
  await using origin = await startOrigin();
  await using upstream = openUpstream([origin.url]);
  const leaving = new AbortController();
  const asked = upstream.sources[2]?.open(
    { address: parseAddress(origin.put('/blob', blobOf(1, 'x'))), method: 'GET', headers: {} },
    leaving.signal,
  ) as Promise<Reply>;
  leaving.abort();
  await rejects('CLIENT_GONE', asked);
  assert.is(origin.hits.length, 0);
});

for (const status of [301, 302, 303, 307, 308]) {
  test(`follows ${status}, relative or not, with the range`, async () => {
    await using origin = await startOrigin();
    await using upstream = openUpstream([origin.url]);
    const bytes = blobOf(1000, 'redirected');
    origin.put('/real', bytes);
    const first = origin.route('/first', (_, response) => {
      response.writeHead(status, { location: '/second?sig=1' }).end();
    });
    origin.route('/second', (_, response) => {
      response.writeHead(status, { location: `${origin.url}/real?sig=2` }).end('moved');
    });
    const reply = await upstream.open(first, { range: 'bytes=10-19' });
    assert.is(reply.status, 206);
    assert.ok((await bytesOf(reply)).equals(bytes.subarray(10, 20)));
    assert.equal(
      origin.hits.map(({ url }) => url),
      ['/first', '/second?sig=1', '/real?sig=2'],
    );
  });
}

test('takes credentials along within a host and drops them for good where the host changes', async () => {
  await using origin = await startOrigin();
  await using other = await startOrigin();
  await using upstream = openUpstream(['127.0.0.1']);
  origin.put('/real', blobOf(10, 'back'));
  const first = origin.route('/first', (_, response) => {
    response.writeHead(307, { location: '/same' }).end();
  });
  origin.route('/same', (_, response) => {
    response.writeHead(307, { location: `${other.url}/away` }).end();
  });
  other.route('/away', (_, response) => {
    response.writeHead(307, { location: `${origin.url}/real` }).end();
  });
  await bytesOf(await upstream.open(first, { authorization: 'Bearer secret', accept: '*/*' }));
  assert.equal(
    [...origin.hits.slice(0, 2), ...other.hits, ...origin.hits.slice(2)].map(({ headers }) => [
      headers.authorization,
      headers.accept,
    ]),
    [
      ['Bearer secret', '*/*'],
      ['Bearer secret', '*/*'],
      [undefined, '*/*'],
      [undefined, '*/*'],
    ],
  );
});

/** A door to the network that answers from a script and notes what was asked. */
class ScriptedClient extends HttpClient {
  readonly asked: HttpRequest[] = [];
  readonly #script: Readonly<Record<string, string>>;

  constructor(script: Readonly<Record<string, string>>) {
    super(LIMITS);
    this.#script = script;
  }

  override async request(request: HttpRequest): Promise<Reply> {
    this.asked.push(request);
    const location = this.#script[request.url];
    return {
      status: location === undefined ? 200 : 307,
      headers: location === undefined ? {} : { location },
      body: { read: async () => {}, discard: () => {} },
    };
  }
}

test('gives up a range whose connection gets nothing through, while others of that origin do', async () => {
  await using server = await listen((request, response) => {
    response.writeHead(206, { 'content-range': 'bytes 0-999999/1000000', 'content-length': '1000000' });
    response.write(Buffer.alloc(1000));
    if (request.url === '/stuck') return;
    const dripping = setInterval(() => response.write(Buffer.alloc(1000)), 100);
    response.once('close', () => clearInterval(dripping));
  });
  const access = new OriginAccess([server.url]);
  await using http = closing(new HttpClient({ ...LIMITS, idleMs: 60_000, lookup: access.lookup }));
  const upstream = new OriginUpstream({ http: http.client, access, rules: new Rules([]), random: () => 0 });
  const leaving = new AbortController();
  const bodyOf = async (path: string) => {
    const [source] = upstream.sources();
    const query = {
      address: parseAddress(server.url + path),
      method: 'GET',
      headers: {},
      bulk: true,
    } as const;
    return (await (source as Source).open(query, leaving.signal)).body.read(() => {});
  };
  const lively = bodyOf('/lively');
  await rejects('UPSTREAM_TIMEOUT', bodyOf('/stuck'));
  leaving.abort();
  await rejects('CLIENT_GONE', lively);
});

test('follows no redirect to what a rule denies', async () => {
  // Broke: a listed origin could have read for a client what the client itself is denied.
  await using origin = await startOrigin();
  await using upstream = openUpstream([origin.url], undefined, [{ Match: '/secret', Action: 'deny' }]);
  origin.faults.push({ redirect: origin.put('/secret', blobOf(10, 'secret')) });
  await rejects('RULE_DENIED', upstream.open(origin.put('/open', blobOf(10, 'open'))));
  assert.is(origin.hits.length, 1);
});

test('drops credentials where a redirect leaves https', async () => {
  // Broke: a redirect from https to http of one host took the credentials along, in clear.
  const http = new ScriptedClient({ 'https://a.test/x': 'http://a.test/x' });
  const access = new OriginAccess(['a.test']);
  const rules = new Rules([]);
  const [source] = new OriginUpstream({ http, access, rules, random: () => 0 }).sources();
  const headers = { authorization: 'Bearer secret' };
  await source?.open({ address: parseAddress('https://a.test/x'), method: 'GET', headers }, NEVER);
  assert.equal(
    http.asked.map(({ url, headers }) => [url, headers.authorization]),
    [
      ['https://a.test/x', 'Bearer secret'],
      ['http://a.test/x', undefined],
    ],
  );
  await http.close();
});

test('does not follow a redirect to another port of a private host that is listed with its port', async () => {
  // Broke: one entry `http://127.0.0.1:5000` opened every port of 127.0.0.1 to what redirects there.
  await using origin = await startOrigin();
  await using other = await startOrigin();
  for (const host of ['127.0.0.1', 'localhost']) {
    await using upstream = openUpstream([`http://${host}:${origin.port}`]);
    origin.put('/blob', blobOf(1, 'x'));
    origin.faults.push({ redirect: `http://${host}:${other.port}/secret` });
    await rejects('ORIGIN_NOT_ALLOWED', upstream.open(`http://${host}:${origin.port}/blob`));
  }
  assert.is(other.connections, 0);
});

for (const entry of ['localhost:PORT', '127.0.0.1:PORT', 'http://localhost:PORT', 'localhost', '127.0.0.1']) {
  test(`reads a private origin that ${entry} lists`, async () => {
    await using origin = await startOrigin();
    await using upstream = openUpstream([entry.replace('PORT', String(origin.port))]);
    const bytes = blobOf(100, 'private');
    const url = origin
      .put('/blob', bytes)
      .replace('127.0.0.1', entry.includes('localhost') ? 'localhost' : '$&');
    assert.ok((await bytesOf(await upstream.open(url))).equals(bytes));
  });
}

for (const target of [
  'http://10.0.0.1/',
  'http://169.254.169.254/latest/meta-data/',
  'http://[::1]:19345/metrics',
  'http://0x7f000001/',
  'http://[::ffff:127.0.0.1]/',
]) {
  test(`does not follow a redirect to ${target}`, async () => {
    await using origin = await startOrigin({ always: { redirect: target } });
    await using upstream = openUpstream([`http://localhost:${origin.port}`]);
    origin.put('/blob', blobOf(1, 'x'));
    await rejects('ORIGIN_NOT_ALLOWED', upstream.open(`http://localhost:${origin.port}/blob`));
    assert.is(origin.hits.length, 1);
  });
}

test('does not follow a redirect to a name that resolves to a private address', async () => {
  await using origin = await startOrigin({ always: { redirect: 'http://localhost:1/' } });
  await using upstream = openUpstream([origin.url]);
  await rejects('ORIGIN_NOT_ALLOWED', upstream.open(origin.put('/blob', blobOf(1, 'x'))));
});

test('does not connect to a listed-by-wildcard name that resolves to a private address', async () => {
  await using origin = await startOrigin();
  await using upstream = openUpstream(['*']);
  origin.put('/blob', blobOf(1, 'x'));
  await rejects('ORIGIN_NOT_ALLOWED', upstream.open(`http://localhost:${origin.port}/blob`));
  assert.is(origin.connections, 0);
});

test('follows a redirect to a public name that is not on the list, and refuses it when it is private after all', async () => {
  await using origin = await startOrigin({ always: { redirect: 'http://cdn.test/blob' } });
  const asked: string[] = [];
  await using upstream = openUpstream([origin.url], () => (host, _options, callback) => {
    asked.push(host);
    callback(Object.assign(new Error('no such host'), { code: 'ENOTFOUND' }), '', 4);
  });
  await rejects('UPSTREAM_UNREACHABLE', upstream.open(origin.put('/blob', blobOf(1, 'x'))));
  assert.equal(asked, ['cdn.test']);
});

test('gives up on a circle of redirects', async () => {
  await using origin = await startOrigin();
  await using upstream = openUpstream([origin.url]);
  const url = origin.route('/round', (_, response) => {
    response.writeHead(302, { location: '/round' }).end();
  });
  await rejects('UPSTREAM_FAILED', upstream.open(url));
  assert.is(origin.hits.length, 6);
});

for (const location of ['file:///etc/passwd', 'ftp://a.test/', 'http://', 'javascript:alert(1)']) {
  test(`does not follow a redirect to ${location}`, async () => {
    await using origin = await startOrigin({ always: { redirect: location } });
    await using upstream = openUpstream([origin.url]);
    await rejects('UPSTREAM_FAILED', upstream.open(origin.put('/blob', blobOf(1, 'x'))));
  });
}

test('passes on a redirect that says no place', async () => {
  await using origin = await startOrigin();
  await using upstream = openUpstream([origin.url]);
  const url = origin.route('/nowhere', (_, response) => {
    response.writeHead(302).end('look around');
  });
  const reply = await upstream.open(url);
  assert.is(reply.status, 302);
  assert.is((await bytesOf(reply)).toString(), 'look around');
});

test('says to the origin only what concerns it', async () => {
  // DadiP2P copied all client headers to whoever it asked.
  await using origin = await startOrigin();
  await using upstream = openUpstream([origin.url]);
  const said = {
    accept: 'a/b',
    'accept-encoding': 'identity',
    authorization: 'Basic x',
    'if-none-match': '"a"',
    range: 'bytes=0-1',
    'user-agent': 'test',
  };
  const kept = {
    cookie: 'session=1',
    'x-p2p-agent': 'http://a',
    'x-forwarded-for': '10.0.0.1',
    'x-p2p-token': 't',
    'proxy-authorization': 'Basic y',
    connection: 'upgrade',
  };
  const reply = await upstream.open(origin.put('/blob', blobOf(10, 'x')), { ...said, ...kept });
  reply.body.discard();
  const seen = origin.hits[0]?.headers ?? {};
  for (const [name, value] of Object.entries(said)) assert.is(seen[name], value);
  for (const name of Object.keys(kept)) if (name !== 'connection') assert.is(seen[name], undefined);
});

test('does not believe an origin that speaks as a node of ours', async () => {
  await using origin = await startOrigin({
    always: {
      headers: {
        'x-p2p-source': 'http://evil.test',
        'x-p2p-blob': 'size=1; chunk=1; key=x',
        'content-digest': 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:',
        'content-type': 'a/b',
      },
    },
  });
  await using upstream = openUpstream([origin.url]);
  const reply = await upstream.open(origin.put('/blob', blobOf(10, 'x')));
  reply.body.discard();
  assert.is(reply.headers['content-type'], 'a/b');
  assert.equal(
    Object.keys(reply.headers).filter((name) => /x-p2p|digest/.test(name)),
    [],
  );
});

test.run();
