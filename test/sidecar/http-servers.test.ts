import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hasCode } from '../../functions/protocol/errors.ts';
import { ClusterKeys } from '../../functions/service/cluster-keys.ts';
import { isOfThisHost, NodeGate } from '../../functions/service/node-gate.ts';
import { NodeTokens } from '../../functions/service/node-tokens.ts';
import { createHttpServer } from '../../sidecar/http-servers.ts';
import { listen } from '../support/app.ts';
import { NEW_SECRET } from '../support/secrets.ts';
import { dial } from '../support/wire.ts';

const test = suite('sidecar/http-servers');

test('shows who forwards a request, however many lines its sender has put before that', async () => {
  const keys = ClusterKeys.of([NEW_SECRET]);
  const tokens = keys && new NodeTokens({ keys, self: 'http://127.0.0.1:1', now: Date.now });
  const gate = new NodeGate({ tokens, audience: '127.0.0.1:1', isOfThisHost });
  const server = createHttpServer((request, response) => {
    try {
      gate.nodeOf(request);
      response.end('let in');
    } catch (error) {
      response.end(hasCode(error, 'TOKEN_REFUSED') ? 'refused' : String(error));
    }
  }, 10_000);
  await using port = await listen(server);
  const lines = ['GET / HTTP/1.1', 'Host: a', ...Array.from({ length: 1_500 }, () => 'X-A: 1')];
  await using client = dial(
    port.port,
    [...lines, 'X-Forwarded-For: 192.0.2.1', 'Connection: close', '', ''].join('\r\n'),
  );
  assert.match(await client.rest(), /refused/);
});

test.run();
