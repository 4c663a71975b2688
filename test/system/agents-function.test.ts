import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HttpClient } from '../../functions/service/http-client.ts';
import { DirectoryClient } from '../../sidecar/members/directory-client.ts';
import { get } from '../support/client.ts';
import { agentOf, callsOf } from '../support/directory.ts';
import { startFunctionUrl } from '../support/function-url.ts';
import { listObjects, startMinio } from '../support/minio.ts';
import { need } from '../support/programs.ts';
import { NEW_SECRET } from '../support/secrets.ts';
import { s3Env } from '../support/through-function.ts';

const NAME = 'system/agents-function';
const test = need(suite(NAME), NAME, 'minio');

const AGENTS = fileURLToPath(new URL('../../.esbuild/agents.js', import.meta.url));

test('agents find each other by functions alone: the root sends them once to the one that lists them', async () => {
  await using s3 = await startMinio();
  const common = { ...s3Env(s3), DADIP2P_Secret: NEW_SECRET };
  await using agents = await startFunctionUrl({ bundle: AGENTS, env: () => common });
  await using read = await startFunctionUrl({ env: () => ({ ...common, API_AGENTS_URL: `${agents.url}/` }) });
  const http = new HttpClient({ connectMs: 2_000, firstByteMs: 10_000, idleMs: 10_000, connections: 4 });
  const [one, other] = [agentOf(1001, { zone: 'a' }), agentOf(1002, { zone: 'a' })] as const;
  const clientOf = (agent: { url: string }) =>
    new DirectoryClient({ root: read.url, http, calls: callsOf(agent.url) });
  const { signal } = new AbortController();
  assert.is((await get(`${read.url}/healthz`)).status, 200);
  assert.is((await get(`${agents.url}/api/v1/agents`)).status, 401, 'strangers are told nothing');
  const first = clientOf(one);
  await first.announce({ ...one, leaving: false }, signal);
  await clientOf(other).announce({ ...other, leaving: false }, signal);
  assert.equal(await first.list('a', signal), [one, other]);
  assert.is(await first.list('a', signal), await first.list('a', signal), 'nothing has changed');
  assert.is(read.calls.length, 1 + 2, 'once for each agent');
  // Nothing but names: each is one listing away from any instance.
  const kept = (await listObjects(s3)).filter((object) => object.startsWith('agents/'));
  assert.ok(
    kept.length === 2 && kept.every((object) => /^agents\/a\/\S+ {} $/.test(object)),
    kept.join('\n'),
  );
  await clientOf(other).announce({ ...other, leaving: true }, signal);
  assert.equal(await first.list('a', signal), [one]);
  await http.close();
});

test.run();
