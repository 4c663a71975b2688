import { createServer } from 'node:https';
import { connect } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadSettings } from '../../functions/service/config/load.ts';
import { type NodeTls, openNodeTls } from '../../sidecar/tls/node-tls.ts';
import { listen } from '../support/app.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { startOrigin } from '../support/origin.ts';
import { metric, repliesOf, startAgent, startPair, startRoot, through } from '../support/pair.ts';
import { NEW_SECRET, OLD_SECRET } from '../support/secrets.ts';
import { until } from '../support/until.ts';

const test = suite('system/trust');

const BYTES = blobOf(5 * 64 * 1024 + 7, 'trusted');
const PATH = `/v2/img/blobs/sha256:${sha256(BYTES)}`;

const tlsOf = async (secret: string): Promise<NodeTls> => {
  const settings = { Secret: [secret], P2PConfig: { ServeBySSL: true } };
  const text = JSON.stringify(settings);
  const loaded = loadSettings({ text, file: 'test', env: {} });
  return (await openNodeTls(loaded, 'https://127.0.0.1:1', Date.now())) as NodeTls;
};

test('has an agent show a token to roots, which serve no agent that cannot', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: BYTES } });
  const origins = [origin.url];
  await using root = await startRoot({ origins, root: { Secret: [NEW_SECRET] } });
  const roots = [`127.0.0.1:${root.p2pPort}`];
  const start = (Secret: string[]) => startAgent({ origins, agent: { Secret } }, roots);
  await using agent = await start([NEW_SECRET, OLD_SECRET]);
  await using outsider = await start([OLD_SECRET]);
  assert.is((await get(through(agent, origin.url + PATH))).digest, sha256(BYTES));
  assert.is((await metric(agent, 'p2p_served_bytes_total', 'from="root"')) > 0, true);
  const before = origin.hits.length;
  // What it reads it reads from the origin, past the root.
  assert.is((await get(through(outsider, origin.url + PATH))).digest, sha256(BYTES));
  assert.ok(origin.hits.length > before);
  await until('the refusal in the log', () =>
    outsider.logs('upstream_failed').some(({ error }) => String(error).includes('401 TOKEN_REFUSED')),
  );
  assert.not.match(agent.output() + root.output() + outsider.output(), /mac=[\w-]{43}/);
  for (const secret of [NEW_SECRET, OLD_SECRET]) {
    assert.not.match(agent.output() + root.output() + outsider.output(), secret);
  }
});

test('carries everything between nodes over TLS, by certificates out of the secret', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: BYTES } });
  const settings = {
    Secret: [NEW_SECRET],
    P2PConfig: { ServeBySSL: true, NodeIP: '127.0.0.1', CertConfig: { VerifyClients: true } },
  };
  await using pair = await startPair({ origins: [origin.url], root: settings, agent: settings });
  const proxy = { host: '127.0.0.1', port: pair.agent.proxyPort };
  assert.is((await get(origin.url + PATH, { proxy })).digest, sha256(BYTES));
  assert.is((await metric(pair.agent, 'p2p_served_bytes_total', 'from="root"')) > 0, true);
  assert.is((await repliesOf(pair.root)) > 0, true);
  const { ca } = await tlsOf(NEW_SECRET);
  for (const { p2pPort } of [pair.root, pair.agent]) {
    assert.is(await isCertified(p2pPort, ca), true);
    assert.is(await isCertified(p2pPort, (await tlsOf(OLD_SECRET)).ca), false);
    assert.is((await get(`http://127.0.0.1:${p2pPort}/healthz`)).status, 0);
  }
});

test('sends nothing to a root that has no certificate of the cluster', async () => {
  await using origin = await startOrigin({ blobs: { [PATH]: BYTES } });
  const { cert, key } = await tlsOf(OLD_SECRET);
  const asked: unknown[] = [];
  const server = createServer({ cert, key }, (request, response) => {
    asked.push(request.headers);
    response.end('poison');
  });
  await using hostile = await listen(server);
  const agent = { Secret: [NEW_SECRET], P2PConfig: { ServeBySSL: true } };
  await using node = await startAgent({ origins: [origin.url], agent }, [`127.0.0.1:${hostile.port}`]);
  const proxy = { host: '127.0.0.1', port: node.proxyPort };
  const credential = { authorization: 'Bearer secret' };
  assert.is((await get(origin.url + PATH, { proxy, headers: credential })).digest, sha256(BYTES));
  assert.equal(asked, []);
});

/** Whether a port shows a certificate of these authorities. */
function isCertified(port: number, ca: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, ca }, () => {
      resolve(socket.authorized);
      socket.destroy();
    });
    socket.on('error', () => resolve(false));
  });
}

test.run();
