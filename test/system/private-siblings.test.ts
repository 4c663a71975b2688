import { createServer } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { listen } from '../support/app.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { metric, through } from '../support/pair.ts';
import { startPrivateOrigin } from '../support/private-origin.ts';
import { digestPath } from '../support/reader.ts';

const test = suite('system/private-siblings');

const BYTES = blobOf(8 * 64 * 1024 + 7, 'private');
const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

const fromSiblings = async ({ agents }: Cluster): Promise<number> => {
  const sums = await Promise.all(
    agents.map((agent) => metric(agent, 'p2p_served_bytes_total', 'from="sibling"')),
  );
  return sums.reduce((sum, one) => sum + one, 0);
};

test('shares private content among agents whose clients may read it, and shows no sibling a credential', async () => {
  await using origin = await startPrivateOrigin({ alice: ['img'], carol: ['img'], bob: ['other'] });
  const seen: Record<string, unknown>[] = [];
  // One that is listed, and does not have the secret.
  await using rogue = await listen(
    createServer((request, response) => {
      seen.push(request.headers);
      response.writeHead(206, { 'x-p2p-access': 'max-age=86400; public=bare' }).end('poison');
    }),
  );
  const url = origin.put(digestPath(sha256(BYTES)), BYTES);
  await using cluster = await startCluster({
    origins: [origin.url],
    agents: 2,
    strangers: [`127.0.0.1:${rogue.port}`],
  });
  const [first, second] = cluster.agents as [Cluster['root'], Cluster['root']];
  assert.is((await get(through(first, url), as('alice'))).digest, sha256(BYTES));
  assert.is((await get(through(second, url), as('carol'))).digest, sha256(BYTES));
  assert.ok((await fromSiblings(cluster)) > 0, 'nothing was shared');
  assert.is(origin.bytesSent, BYTES.length);
  assert.ok(seen.length > 0);
  for (const headers of seen) {
    assert.is(headers.authorization, undefined);
    assert.not.match(JSON.stringify(headers), /alice|carol/);
  }
  // Who may not read it has it from nobody, whatever a sibling said of it.
  for (const agent of cluster.agents) {
    assert.is((await get(through(agent, url), as('bob'))).status, 403);
    assert.is((await get(through(agent, url))).status, 401);
  }
});

test.run();
