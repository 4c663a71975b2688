import Router from 'koa-router';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { P2PError } from '../../../functions/protocol/errors.ts';
import { type ApiSection, createApi } from '../../../functions/service/api.ts';
import { createApiApp } from '../../../functions/service/api-app.ts';
import { readJson } from '../../../functions/service/api-body.ts';
import { requireToken } from '../../../functions/service/api-token.ts';
import { listen, memoryLog } from '../../support/app.ts';
import { type Ask, get } from '../../support/client.ts';

const test = suite('functions/service/api');

const OLD = 'the-token-of-yesterday';
const NEW = 'the-token-of-tomorrow';

function echo(): Router {
  const router = new Router();
  router.get('/api/v1/echo/:word', (ctx) => {
    ctx.body = { word: ctx.params.word };
  });
  router.post('/api/v1/echo', async (ctx) => {
    ctx.body = { got: await readJson(ctx) };
  });
  return router;
}

const serve = (sections: readonly ApiSection[], tokens: readonly string[]) =>
  listen(createApiApp(createApi(sections, requireToken(tokens)), memoryLog().log).callback());

const bearing = (token: string): Ask => ({ headers: { authorization: `Bearer ${token}` } });

test('serves a section to those who have one of the tokens, and to nobody else', async () => {
  await using node = await serve([{ name: 'echo', open: async () => echo() }], [OLD, NEW]);
  const url = `${node.url}/api/v1/echo/hello?x=1`;
  for (const token of [OLD, NEW]) {
    const answer = await get(url, bearing(token));
    assert.is(answer.status, 200);
    assert.equal(JSON.parse(answer.text), { word: 'hello' });
  }
  const others = [
    {},
    bearing(''),
    bearing('wrong'),
    bearing(`${NEW}x`),
    bearing(NEW.slice(1)),
    { headers: { authorization: `Basic ${NEW}` } },
    { headers: { authorization: NEW } },
  ];
  for (const ask of others) {
    const answer = await get(url, ask);
    assert.is(answer.status, 401, JSON.stringify(ask));
    assert.is(answer.headers['x-p2p-error'], 'API_UNAUTHORIZED');
    assert.match(answer.headers['www-authenticate'] ?? '', 'Bearer');
    assert.match(answer.text, 'Admin.Tokens');
    assert.not.match(answer.text, NEW);
  }
});

test('is closed while there is no token, and says which setting opens it', async () => {
  await using node = await serve([{ name: 'echo', open: async () => echo() }], []);
  for (const ask of [{}, bearing(''), bearing(NEW)]) {
    const answer = await get(`${node.url}/api/v1/echo/hello`, ask);
    assert.is(answer.status, 403);
    assert.is(answer.headers['x-p2p-error'], 'API_CLOSED');
    assert.match(answer.text, 'DADIP2P_Admin__Tokens');
  }
});

test('a section may let in by its own rule, and nobody who is refused has its code loaded', async () => {
  let loaded = 0;
  const open = async () => {
    loaded += 1;
    return echo();
  };
  const authorize: ApiSection['authorize'] = (ctx) => {
    if (ctx.get('x-guest') !== 'yes') throw new P2PError('API_UNAUTHORIZED', 'guests alone');
  };
  await using node = await serve([{ name: 'echo', open, authorize }], [NEW]);
  const url = `${node.url}/api/v1/echo/hello`;
  assert.is((await get(url, bearing(NEW))).status, 401);
  assert.is(loaded, 0);
  for (let n = 0; n < 3; n += 1) assert.is((await get(url, { headers: { 'x-guest': 'yes' } })).status, 200);
  assert.is(loaded, 1);
});

test('a section that could not be loaded is tried again', async () => {
  let tries = 0;
  const open = async () => {
    tries += 1;
    if (tries === 1) throw new P2PError('STORE_READ_FAILED', 'away');
    return echo();
  };
  await using node = await serve([{ name: 'echo', open }], [NEW]);
  assert.is((await get(`${node.url}/api/v1/echo/a`, bearing(NEW))).status, 500);
  assert.is((await get(`${node.url}/api/v1/echo/a`, bearing(NEW))).status, 200);
});

test('says what there is where something else is asked for', async () => {
  await using node = await serve([{ name: 'echo', open: async () => echo() }], [NEW]);
  for (const path of [
    '/api/v1/nothing',
    '/api/v1/',
    '/api/v1/echo/a/b',
    '/api/v1/echox',
    '/',
    '/api/v2/echo/a',
  ]) {
    const answer = await get(node.url + path, bearing(NEW));
    assert.is(answer.status, 404, path);
    assert.is(answer.headers['x-p2p-error'], 'API_NOT_FOUND', path);
    assert.match(answer.text, '/api/v1/', path);
  }
  const answer = await get(`${node.url}/api/v1/echo`, { ...bearing(NEW), method: 'DELETE' });
  assert.is(answer.status, 405);
  assert.is(answer.headers.allow, 'POST');
});

test('takes bodies of JSON that say so, and no others', async () => {
  await using node = await serve([{ name: 'echo', open: async () => echo() }], [NEW]);
  const post = (body: string, type: string | undefined) =>
    get(`${node.url}/api/v1/echo`, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${NEW}`, ...(type === undefined ? {} : { 'content-type': type }) },
    });
  for (const type of ['application/json', 'application/json; charset=utf-8']) {
    const answer = await post('{"a":["ü"]}', type);
    assert.is(answer.status, 200, answer.text);
    assert.equal(JSON.parse(answer.text), { got: { a: ['ü'] } });
  }
  // What a form or a script of a foreign page can send without being asked whether it may.
  const refused: [string, string | undefined][] = [
    ['{}', 'text/plain'],
    ['{}', 'application/x-www-form-urlencoded'],
    ['{}', undefined],
    ['{', 'application/json'],
    ['', 'application/json'],
    [`"${'x'.repeat(300_000)}"`, 'application/json'],
  ];
  for (const [body, type] of refused) {
    const answer = await post(body, type);
    assert.is(answer.status, 400, `${type} ${body.slice(0, 10)}`);
    assert.is(answer.headers['x-p2p-error'], 'API_REQUEST_INVALID');
  }
});

test.run();
