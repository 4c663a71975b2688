import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Answer, get } from '../../support/client.ts';
import { agentOf, startDirectory, tokenOf } from '../../support/directory.ts';
import { NEW_SECRET, OLD_SECRET } from '../../support/secrets.ts';

const test = suite('functions/root/directory-api');

const AGENT = agentOf(1001);

const announce = (
  root: { url: string },
  body: object,
  headers: Record<string, string> = tokenOf(AGENT.url)('write'),
) =>
  get(`${root.url}/api/v1/agents`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

const list = (root: { url: string }, query = '', headers: Record<string, string> = {}) =>
  get(`${root.url}/api/v1/agents${query}`, { headers: { ...tokenOf(AGENT.url)('read'), ...headers } });

const codeOf = ({ headers }: Answer) => headers['x-p2p-error'];

test('lists who has announced itself, to who holds the secret', async () => {
  await using root = await startDirectory();
  assert.is((await announce(root, AGENT)).status, 204);
  const answer = await list(root);
  assert.is(answer.status, 200);
  assert.equal(JSON.parse(answer.text), { members: [AGENT] });
  assert.equal(JSON.parse((await list(root, '?zone=')).text), { members: [AGENT] });
});

test('lists a zone alone, and answers 304 until something changes in it', async () => {
  await using root = await startDirectory();
  await announce(root, { ...AGENT, zone: 'a' });
  const other = agentOf(1002, { zone: 'b' });
  const first = await list(root, '?zone=a');
  assert.equal(JSON.parse(first.text), { members: [{ ...AGENT, zone: 'a' }] });
  const asKnown = { 'if-none-match': String(first.headers.etag) };
  assert.is((await announce(root, other, tokenOf(other.url)('write'))).status, 204);
  const again = await list(root, '?zone=a', asKnown);
  assert.equal([again.status, again.size], [304, 0]);
  await announce(root, { ...AGENT, zone: 'a', weight: 2 });
  assert.is((await list(root, '?zone=a', asKnown)).status, 200);
});

test('strikes out at once who says goodbye', async () => {
  await using root = await startDirectory();
  await announce(root, AGENT);
  await announce(root, { ...AGENT, leaving: true });
  assert.equal(JSON.parse((await list(root)).text), { members: [] });
});

test('believes nobody without a token, with that of another cluster, or with one for something else', async () => {
  await using root = await startDirectory();
  const strangers = [{}, tokenOf(AGENT.url, OLD_SECRET)('write'), tokenOf(AGENT.url)('read')];
  for (const headers of strangers) {
    const refused = await announce(root, AGENT, headers);
    assert.equal([refused.status, codeOf(refused)], [401, 'TOKEN_REFUSED']);
  }
  assert.is((await get(`${root.url}/api/v1/agents`)).status, 401);
  assert.equal(JSON.parse((await list(root)).text), { members: [] });
});

test('believes the first and the second of two secrets', async () => {
  await using root = await startDirectory([NEW_SECRET, OLD_SECRET]);
  assert.is((await announce(root, AGENT, tokenOf(AGENT.url, OLD_SECRET)('write'))).status, 204);
  assert.is((await announce(root, AGENT)).status, 204);
});

test('is closed where there is no secret', async () => {
  await using root = await startDirectory([]);
  assert.equal([(await announce(root, AGENT)).status, codeOf(await list(root))], [403, 'API_CLOSED']);
});

test('lets an agent speak for the address alone that its token names', async () => {
  await using root = await startDirectory();
  const refused = await announce(root, agentOf(1002));
  assert.equal([refused.status, codeOf(refused)], [400, 'API_REQUEST_INVALID']);
  assert.equal(JSON.parse((await list(root)).text), { members: [] });
});

const NO_AGENTS: Readonly<Record<string, object>> = {
  'an address with a path': { url: `${AGENT.url}/x` },
  'an address with a user': { url: 'http://user@127.0.0.1:1001' },
  'another scheme': { url: 'ftp://127.0.0.1:1001' },
  'no address': { url: 'nonsense' },
  'a long address': { url: `http://${'a'.repeat(130)}:1` },
  'an id with a slash': { id: '../../../../etc' },
  'a short id': { id: 'x' },
  'a zone with a slash': { zone: 'a/b' },
  'no weight': { weight: 0 },
  'too much weight': { weight: 101 },
  'half a weight': { weight: 1.5 },
  'weight as text': { weight: '1' },
};

test('refuses what no agent can be, and puts nothing of it into its store', async () => {
  await using root = await startDirectory();
  for (const [what, over] of Object.entries(NO_AGENTS)) {
    assert.is(codeOf(await announce(root, { ...AGENT, ...over })), 'API_REQUEST_INVALID', what);
  }
  assert.equal(JSON.parse((await list(root)).text), { members: [] });
});

test.run();
