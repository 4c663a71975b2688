import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createApp } from '../../../functions/service/create-app.ts';
import { listen, memoryLog } from '../../support/app.ts';
import { gate } from '../../support/gate.ts';
import { until } from '../../support/until.ts';

const test = suite('functions/service/create-app');

test('logs a connection that breaks as a detail, and prints nothing else', async () => {
  // Broke: Koa printed the stack of each client's reset on standard error, between the lines of JSON.
  const { log, lines } = memoryLog();
  const app = createApp(log);
  const asked = gate();
  app.use(async (ctx) => {
    ctx.respond = false;
    ctx.res.writeHead(200).write('half');
    asked.open();
  });
  await using server = await listen(app.callback());
  const socket = connect(server.port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await asked.opened;
  socket.resetAndDestroy();
  const line = await until('the line', () => lines.find(({ event }) => event === 'connection_broken'));
  assert.is(line.level, 20);
  assert.ok(app.listenerCount('error') === 1, 'Koa adds its own, which prints, where there is none');
});

test.run();
