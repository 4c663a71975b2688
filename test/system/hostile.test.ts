import { readFile } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { type EveryWay, startEveryWay } from '../support/every-way.ts';
import { need } from '../support/programs.ts';
import { shared } from '../support/shared.ts';
import { openTls } from '../support/tunnel.ts';
import { dial, type Wire, wireOf } from '../support/wire.ts';

const NAME = 'system/hostile';
const suiteOf = suite(NAME);
const test = need(suiteOf, NAME, 'openssl');

const HEAD_MS = 500;
const everyWay = shared<EveryWay>(suiteOf, () =>
  startEveryWay({ Timeouts: { RequestHead: `${HEAD_MS}ms` } }),
);

/** A connection, with what is asked on it: the target of a path, and the host that goes with it. */
interface Door {
  readonly wire: Wire;
  target(path: string): string;
  readonly host: string;
}

/** Ways in as a client opens them, byte by byte. */
const DOORS: Readonly<Record<string, (all: EveryWay) => Promise<Door>>> = {
  'forward proxy': async ({ agent, origin }) => ({
    wire: dial(agent.proxyPort),
    target: (path) => origin.url + path,
    host: `127.0.0.1:${origin.port}`,
  }),
  intercepted: async ({ agent, front, ca }) => {
    const host = `127.0.0.1:${front.port}`;
    const socket = await openTls(agent.proxyPort, host, { ca: await readFile(ca) });
    return { wire: wireOf(socket), target: (path) => path, host };
  },
  prefix: async ({ agent, origin }) => ({
    wire: dial(agent.p2pPort),
    target: (path) => `/dadip2p/${origin.url}${path}`,
    host: `127.0.0.1:${agent.p2pPort}`,
  }),
  'reverse by path': async ({ agent }) => ({
    wire: dial(agent.proxyPort),
    target: (path) => `/by-path${path}`,
    host: `127.0.0.1:${agent.proxyPort}`,
  }),
  'reverse by host': async ({ agent }) => ({
    wire: dial(agent.proxyPort),
    target: (path) => path,
    host: 'files.test',
  }),
  mirror: async ({ agent }) => ({
    wire: dial(agent.proxyPort),
    target: (path) => `/v2/x${path}`,
    host: `127.0.0.1:${agent.proxyPort}`,
  }),
};

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';

/** What is sent, given a target and a host. Nothing of it may reach an origin. */
const SHAPES: Readonly<Record<string, (target: (path: string) => string, host: string) => string>> = {
  'Content-Length and Transfer-Encoding': (t, h) =>
    `POST ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'Transfer-Encoding and Content-Length': (t, h) =>
    `POST ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n${SMUGGLED}`,
  'two Content-Length': (t, h) =>
    `POST ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nContent-Length: 0\r\nContent-Length: 36\r\n\r\n${SMUGGLED}`,
  'a list of Content-Length': (t, h) =>
    `POST ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nContent-Length: 0, 0\r\n\r\n${SMUGGLED}`,
  'a signed Content-Length': (t, h) =>
    `POST ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nContent-Length: +0\r\n\r\n${SMUGGLED}`,
  'an unknown transfer coding': (t, h) =>
    `POST ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  'a transfer coding that looks like chunked': (t, h) =>
    `POST ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
  'chunks in HTTP/1.0': (t, h) =>
    `POST ${t('/a')} HTTP/1.0\r\nHost: ${h}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'another HTTP': (t, h) => `GET ${t('/a')} HTTP/2.0\r\nHost: ${h}\r\n\r\n`,
  'no HTTP': (t) => `GET ${t('/a')}\r\n\r\n`,
  'bare LF': (t, h) => `GET ${t('/a')} HTTP/1.1\nHost: ${h}\n\n`,
  'bare LF at the end of the head': (t, h) => `GET ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\n\n`,
  'bare CR in a value': (t, h) => `GET ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nX: a\rY: b\r\n\r\n`,
  'bare CR between lines': (t, h) => `GET ${t('/a')} HTTP/1.1\rHost: ${h}\r\r`,
  'a folded line': (t, h) => `GET ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nX: a\r\n b\r\n\r\n`,
  'a folded Transfer-Encoding': (t, h) =>
    `POST ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`,
  'space before a colon': (t, h) =>
    `POST ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
  'NUL in a value': (t, h) => `GET ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nX: a\0b\r\n\r\n`,
  'two Host': (t, h) => `GET ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nHost: ${h}\r\n\r\n`,
  'two different Host': (t, h) => `GET ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nhost: evil.test\r\n\r\n`,
  'no Host': (t) => `GET ${t('/a')} HTTP/1.1\r\n\r\n`,
  'a header of 100 KiB': (t, h) =>
    `GET ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nX: ${'a'.repeat(100 * 1024)}\r\n\r\n`,
  'a URL of 100 KiB': (t, h) => `GET ${t(`/${'a'.repeat(100 * 1024)}`)} HTTP/1.1\r\nHost: ${h}\r\n\r\n`,
  'a head that does not end': (t, h) => `GET ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nX: `,
  'a request line that does not end': () => 'GET ',
  'a path that climbs': (t, h) => `GET ${t('/a/../../b')} HTTP/1.1\r\nHost: ${h}\r\n\r\n`,
  'a path that climbs in code': (t, h) => `GET ${t('/a/%2e%2E/b')} HTTP/1.1\r\nHost: ${h}\r\n\r\n`,
  'a path that climbs by %2f': (t, h) => `GET ${t('/a/..%2f..%2fb')} HTTP/1.1\r\nHost: ${h}\r\n\r\n`,
  'a path that climbs by %5c': (t, h) => `GET ${t('/a%5c..%5cb')} HTTP/1.1\r\nHost: ${h}\r\n\r\n`,
  'a path with NUL': (t, h) => `GET ${t('/a\0b')} HTTP/1.1\r\nHost: ${h}\r\n\r\n`,
  'a path with NUL in code': (t, h) => `GET ${t('/a%00b')} HTTP/1.1\r\nHost: ${h}\r\n\r\n`,
  'a request in the URL': (t, h) =>
    `GET ${t('/a')} HTTP/1.1\r\nHost: ${h}\r\nX: y HTTP/1.1\r\nHost: ${h}\r\n\r\n${SMUGGLED}`,
  'a line break in the URL': (t, h) => `GET ${t('/a')}\r\nX: y HTTP/1.1\r\nHost: ${h}\r\n\r\n`,
  'a space in the URL': (t, h) => `GET ${t('/a b')} HTTP/1.1\r\nHost: ${h}\r\n\r\n`,
};

for (const [name, open] of Object.entries(DOORS)) {
  for (const [shape, format] of Object.entries(SHAPES)) {
    test(`${name}: refuses ${shape}`, async () => {
      const all = await everyWay();
      all.origin.forget();
      const { wire, target, host } = await open(all);
      await using _ = wire;
      wire.say(format(target, host));
      await refused(wire);
      assert.equal(
        all.origin.hits.map(({ url }) => url),
        [],
      );
    });
  }
}

test('refuses a URL on another host than Host says, inside interception too', async () => {
  const all = await everyWay();
  all.origin.forget();
  for (const name of ['forward proxy', 'intercepted']) {
    const { wire } = await (DOORS[name] as (typeof DOORS)[string])(all);
    await using _ = wire;
    wire.say(`GET ${all.origin.url}/a HTTP/1.1\r\nHost: evil.test\r\n\r\n`);
    await refused(wire);
  }
  assert.is(all.origin.hits.length, 0);
});

/** A 4xx, or no answer and a closed connection. */
async function refused(wire: Wire): Promise<void> {
  const text = await wire.hear(/^HTTP\/1\.1 \d{3} /).catch(() => wire.heard());
  if (text !== '') assert.match(text, /^HTTP\/1\.1 4\d\d /);
  else assert.ok(wire.socket.destroyed || wire.socket.readableEnded, 'closed');
}

/** Bodies whose head is right: the origin may see the request, but neither a whole body nor what it hides. */
const BODIES: Readonly<Record<string, string>> = {
  'chunk extensions of 64 KiB': `1;${'a'.repeat(64 * 1024)}\r\nx\r\n0\r\n\r\n`,
  'a chunk size below zero': `-1\r\nx\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk size beyond all numbers': `fffffffffffffffff\r\nx\r\n0\r\n\r\n${SMUGGLED}`,
  'chunks ended by bare LF': `1\nx\n0\n\n${SMUGGLED}`,
  'a chunk longer than it says': `1\r\nxyz\r\n0\r\n\r\n${SMUGGLED}`,
};

for (const name of ['forward proxy', 'intercepted', 'reverse by path', 'reverse by host']) {
  for (const [shape, body] of Object.entries(BODIES)) {
    test(`${name}: passes no body on with ${shape}`, async () => {
      const all = await everyWay();
      all.origin.forget();
      let whole = 0;
      all.origin.route('/up', (request, response) => {
        request
          .on('error', () => {})
          .once('end', () => {
            whole += 1;
            response.end();
          });
        request.resume();
      });
      const { wire, target, host } = await (DOORS[name] as (typeof DOORS)[string])(all);
      await using _ = wire;
      wire.say(
        `POST ${target('/up')} HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n${body}`,
      );
      await refused(wire);
      assert.is(whole, 0);
      assert.ok(all.origin.hits.every(({ url }) => url === '/up'));
    });
  }
}

for (const target of [
  '169.254.169.254:80',
  '[fd00:ec2::254]:80',
  '[::ffff:169.254.169.254]:80',
  '168.63.129.16:80',
  '10.0.0.1:443',
  '192.168.0.1:443',
  '127.0.0.1:22',
  'localhost:22',
  '0x7f000001:22',
  '2130706433:22',
  '0:22',
]) {
  test(`CONNECT to ${target} is refused`, async () => {
    const { agent } = await everyWay();
    await using wire = dial(agent.proxyPort, `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    assert.match(await wire.rest(), /^HTTP\/1\.1 403 .*ORIGIN_NOT_ALLOWED/s);
  });
}

for (const path of ['', '/x', '/v2/x/blobs/sha256:HEX', '/x.bin']) {
  test(`asks no private host for "${path}", whichever way it is named`, async () => {
    const all = await everyWay();
    const at = path.replace('HEX', 'ab'.repeat(32));
    for (const host of [
      '169.254.169.254',
      '10.0.0.1',
      'localhost:22',
      '[::1]:22',
      '127.0.0.1:22',
      '0x7f.1:22',
    ]) {
      const url = `http://${host}${at}`;
      const answers = [
        await get(all.agent.url, { target: `/dadip2p/${url}` }),
        await get(`http://127.0.0.1:${all.agent.proxyPort}`, { target: url, headers: { host } }),
      ];
      for (const { status, headers } of answers) {
        assert.is(status, 403, url);
        assert.is(headers['x-p2p-error'], 'ORIGIN_NOT_ALLOWED', url);
      }
    }
  });
}

for (const ns of [
  'evil.test',
  '169.254.169.254',
  '10.0.0.1:5000',
  'localhost:22',
  '[::1]:22',
  'http://evil.test',
  'a@evil.test',
  '../x',
  '',
]) {
  test(`the mirror asks nobody for ?ns=${ns}`, async () => {
    const all = await everyWay();
    all.origin.forget();
    const query = `?ns=${encodeURIComponent(ns)}`;
    for (const path of [`/v2/x/blobs/sha256:${'ab'.repeat(32)}`, '/v2/x/manifests/latest', '/v2/']) {
      const { status } = await get(`http://127.0.0.1:${all.agent.proxyPort}${path}${query}`);
      assert.ok(status === 400 || status === 403, `${path}: ${status}`);
    }
    assert.is(all.origin.hits.length, 0);
  });
}

test('the mirror reads no path with %2f in it', async () => {
  const all = await everyWay();
  all.origin.forget();
  for (const path of ['/v2/a%2fb/manifests/latest', '/v2/%2e%2e/manifests/x', '/v2/a/manifests/..%2fx']) {
    const { status } = await get(`http://127.0.0.1:${all.agent.proxyPort}`, { target: path });
    assert.ok(status >= 400 && status < 500, path);
  }
  assert.is(all.origin.hits.length, 0);
});

test('a connection that says nothing is not held', async () => {
  const { agent } = await everyWay();
  for (const port of [agent.proxyPort, agent.p2pPort, agent.adminPort]) {
    await using wire = dial(port);
    await wire.rest();
  }
});

test('after all this the agent is what it was: same process, whole bytes', async () => {
  const all = await everyWay();
  assert.is(all.agent.logs('worker_crashed').length, 0);
  assert.is(all.agent.logs('request_failed').filter(({ code }) => code === undefined).length, 0);
  const url = all.origin.put('/after.bin', blobOf(300_000, 'after'));
  assert.is((await get(`${all.agent.url}/dadip2p/${url}`)).size, 300_000);
});

suiteOf.run();
