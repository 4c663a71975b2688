import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WaitingNotice } from '../../../functions/service/waiting-notice.ts';

const test = suite('functions/service/waiting-notice');

/** What comes of a request that is answered so: the statuses of interim replies, and the body. */
async function answeredBy(answer: (notice: WaitingNotice, end: () => void) => void) {
  const server = createServer((_, response) => answer(new WaitingNotice(response), () => response.end('ok')));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const statuses: number[] = [];
  const told: (() => void)[] = [];
  const { port } = server.address() as AddressInfo;
  const asked = request({ port, host: '127.0.0.1', agent: false });
  asked.on('information', ({ statusCode }) => {
    statuses.push(statusCode);
    told.shift()?.();
  });
  const reply = once(asked.end(), 'response');
  return {
    statuses,
    /** Resolves with the next interim reply. */
    next: () => new Promise<void>((resolve) => told.push(resolve)),
    body: reply.then(async ([incoming]) => {
      let text = '';
      for await (const piece of incoming) text += piece;
      return text;
    }),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

test('says that a request is being worked on before its reply, not twice at once, and not behind it', async () => {
  await using exchange = await answeredBy((notice, end) => {
    notice.say();
    notice.say();
    end();
    notice.say();
  });
  assert.is(await exchange.body, 'ok');
  assert.equal(exchange.statuses, [102]);
});

test('says so again and again until the reply begins', async () => {
  let end = () => {};
  await using exchange = await answeredBy((notice, ending) => {
    notice.keepSaying();
    end = ending;
  });
  await exchange.next();
  await exchange.next();
  end();
  assert.is(await exchange.body, 'ok');
  assert.equal(exchange.statuses.slice(0, 2), [102, 102]);
});

test.run();
