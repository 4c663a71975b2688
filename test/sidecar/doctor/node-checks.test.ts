import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadSettings } from '../../../functions/service/config/load.ts';
import { HttpClient } from '../../../functions/service/http-client.ts';
import { agentChecks, rootCheck } from '../../../sidecar/doctor/node-checks.ts';
import { createP2PServer } from '../../../sidecar/http-servers.ts';
import { clusterTrust, type NodeTls, openNodeTls } from '../../../sidecar/tls/node-tls.ts';
import { listen } from '../../support/app.ts';
import { NEW_SECRET, OLD_SECRET } from '../../support/secrets.ts';
import { PATIENCE_MS } from '../../support/until.ts';

const test = suite('sidecar/doctor/node-checks');

const SELF = 'https://127.0.0.1';
const LIMITS = { connectMs: 10_000, firstByteMs: 10_000, idleMs: 10_000, connections: 2 };

const settingsOf = (secret: string, port = 1) => {
  const P2PConfig = { ServeBySSL: true, Port: port, RootList: [`127.0.0.1:${port}`] };
  return loadSettings({ text: JSON.stringify({ Secret: [secret], P2PConfig }), file: 'test', env: {} });
};
const tlsOf = async (secret: string) => (await openNodeTls(settingsOf(secret), SELF, Date.now())) as NodeTls;

test('reaches nodes that speak TLS, and says of one with another secret that it is not trusted', async () => {
  const server = createP2PServer((_, response) => response.end('ok'), 10_000, await tlsOf(NEW_SECRET));
  await using node = await listen(server);
  for (const [secret, state] of [
    [NEW_SECRET, 'ok'],
    [OLD_SECRET, 'failed'],
  ] as const) {
    const http = new HttpClient({ ...LIMITS, trust: clusterTrust(await tlsOf(secret)) });
    const settings = settingsOf(secret, node.port);
    const port = agentChecks(settings, http).find(({ name }) => name === "agent's P2P port");
    for (const check of [port, rootCheck(settings, http)]) {
      const finding = await check?.run(AbortSignal.timeout(PATIENCE_MS));
      assert.is(finding?.state, state);
      assert.match(
        JSON.stringify(finding),
        state === 'ok' ? `https://127.0.0.1:${node.port}` : 'no authority',
      );
    }
    await http.close();
  }
});

test.run();
