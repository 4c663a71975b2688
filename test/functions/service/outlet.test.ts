import type { ServerResponse } from 'node:http';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Outlet } from '../../../functions/service/outlet.ts';
import { listen } from '../../support/app.ts';
import { get } from '../../support/client.ts';
import { rejects } from '../../support/rejects.ts';
import { until } from '../../support/until.ts';

const test = suite('functions/service/outlet');

test('tells a pipelined reply that waits for its turn that the client has left', async () => {
  // Broke: such a reply has no socket and is told of no close, so its transfer went on for ever.
  const outlets: Outlet[] = [];
  const responses: ServerResponse[] = [];
  await using server = await listen((_, response) => {
    responses.push(response);
    outlets.push(new Outlet(response));
  });
  const socket = connect(server.port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20));
  await until('all requests', () => outlets.length === 20);
  const sending = outlets.map((outlet) => outlet.send(Buffer.alloc(16 * 1024 * 1024)));
  const failing = Promise.all(sending.map((sent) => rejects('CLIENT_GONE', sent)));
  assert.is(responses.at(-1)?.socket, null);
  socket.destroy();
  await failing;
  for (const { signal } of outlets) assert.ok(signal.aborted);
});

test('tells one that begins when the client has left already', async () => {
  let outlet: Outlet | undefined;
  await using server = await listen((request, response) => {
    request.socket.once('close', () => setImmediate(() => (outlet = new Outlet(response))));
  });
  const socket = connect(server.port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(
    'the connection',
    () => new Promise<boolean>((resolve) => server.server.getConnections((_, n) => resolve(n > 0))),
  );
  socket.destroy();
  await until('the outlet', () => outlet !== undefined);
  assert.ok(outlet?.signal.aborted);
});

test('leaves nothing on a connection that goes on', async () => {
  const counts: number[] = [];
  const outlets: Outlet[] = [];
  await using server = await listen(async (request, response) => {
    counts.push(request.socket.listenerCount('close'));
    const outlet = new Outlet(response);
    outlets.push(outlet);
    await outlet.send(Buffer.from('body'));
    response.end();
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let round = 0; round < 5; round += 1) assert.is((await get(server.url, { agent })).text, 'body');
  agent.destroy();
  assert.equal(new Set(counts).size, 1, counts.join());
  for (const { signal } of outlets) assert.not(signal.aborted);
});

test.run();
