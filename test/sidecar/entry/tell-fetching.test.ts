import { once } from 'node:events';
import { createServer, get, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAddress } from '../../../functions/protocol/address.ts';
import { tellFetching } from '../../../sidecar/entry/tell-fetching.ts';
import { memberOf } from '../../support/members.ts';

const test = suite('sidecar/entry/tell-fetching');

const address = parseAddress('http://origin.test/x');

/** A server that answers as a node does, once it is told to. */
async function serve(node: string | undefined, location: string | undefined) {
  const asked: ServerResponse[] = [];
  const refer = tellFetching(() => location);
  const server: Server = createServer((request, response) => {
    refer({ request, response, address, node, chain: undefined });
    asked.push(response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const request = get({ host: '127.0.0.1', port });
  const interim: number[] = [];
  request.on('information', ({ statusCode }) => interim.push(statusCode));
  const answered = once(request, 'response').then(([response]) => response.resume());
  await once(server, 'request');
  return {
    request,
    interim,
    async answer(): Promise<number> {
      asked[0]?.writeHead(206, { 'content-length': 0 }).end();
      return (await answered).statusCode;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

test('tells a sibling once that what it asks for is being fetched, and then answers it', async () => {
  await using node = await serve(memberOf('a').url, undefined);
  await once(node.request, 'information');
  assert.is(await node.answer(), 206);
  assert.equal(node.interim, [102]);
});

test('tells a sibling nothing that is answered at once', async () => {
  await using node = await serve(memberOf('a').url, undefined);
  assert.is(await node.answer(), 206);
  assert.equal(node.interim, []);
});

test.run();
