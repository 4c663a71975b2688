import { createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { freePort } from '../support/daemon.ts';
import { eachCase } from '../support/each-case.ts';
import { startNode } from '../support/node-process.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { metric, SHORT_TIMEOUTS, startAgent, startRoot, through } from '../support/pair.ts';
import { until } from '../support/until.ts';

const test = suite('system/failover');

const CHUNK = 64 * 1024;
const CHUNKS = 8;
// Below 1024 nothing takes a port by chance, as a node of another test does with one that was free.
const DEAD = 'http://127.0.0.1:1';

interface Listening extends AsyncDisposable {
  readonly url: string;
}

/** Takes connections and does with them what it is told: a root that is not well. */
async function startSick(treat: (socket: Socket) => void): Promise<Listening> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    treat(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Blobs under names of their own: each has its own order of the roots. */
function* blobsOf(origin: Origin, seed: string, count = 6) {
  for (let index = 0; index < count; index += 1) {
    const bytes = blobOf(CHUNKS * CHUNK - 7, `${seed} ${index}`);
    const digest = sha256(bytes);
    yield { url: origin.put(`/v2/f/blobs/sha256:${digest}`, bytes), digest };
  }
}

// What a client sees of a root that answers 200 and a part of the body.
const cutMidChunk = (socket: Socket) =>
  socket.once('data', (asked) => {
    const [, first = '0', last = '0'] = /range: bytes=(\d+)-(\d+)/i.exec(asked.toString()) ?? [];
    const size = CHUNKS * CHUNK - 7;
    const end = Math.min(size, Number(last) + 1);
    // It stops at the head: bytes of a blob it does not have would be another fault.
    socket.end(
      `HTTP/1.1 206 Partial Content\r\nContent-Length: ${end - Number(first)}\r\n` +
        `Content-Range: bytes ${first}-${end - 1}/${size}\r\n\r\n`,
    );
  });

test('with a second root well, no fault of the first reaches the client, nor the origin by the agent', async () => {
  await using origin = await startOrigin();
  await using refusing = await startSick((socket) => socket.resetAndDestroy());
  await using hanging = await startSick(() => {});
  await using failing = await startSick((socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n')),
  );
  await using cutting = await startSick(cutMidChunk);
  await using babbling = await startSick((socket) => socket.once('data', () => socket.end('what?\r\n\r\n')));
  await using well = await startRoot({ origins: [origin.url] });
  const sick = {
    'nothing listens': DEAD,
    'resets connections': refusing.url,
    hangs: hanging.url,
    'answers 500': failing.url,
    'cuts its replies': cutting.url,
    'speaks no HTTP': babbling.url,
  };
  await eachCase(sick, async (url, name) => {
    await using agent = await startAgent(
      { origins: [origin.url], agent: { Timeouts: SHORT_TIMEOUTS, OriginFallback: false } },
      [url, well.url],
    );
    // Ports are by chance, and so is the order: 64 blobs that all begin at the well root do not happen.
    let failures = 0;
    for (const { url: blob, digest } of blobsOf(origin, name, 64)) {
      const answer = await get(through(agent, blob));
      assert.is(answer.status, 200, answer.text.slice(0, 300));
      assert.is(answer.complete, true);
      assert.is(answer.digest, digest);
      failures = await metric(agent, 'p2p_failures_total', 'event="upstream_failed"');
      if (failures >= 2) break;
    }
    assert.ok(failures > 0, 'a blob begins at the sick root');
  });
});

test('a root that dies mid-chunk is taken over from at the byte where it broke', async () => {
  await using origin = await startOrigin({ bitsPerSecond: 40e6 });
  await using first = await startRoot({ origins: [origin.url], chunkSize: '1MiB' });
  await using second = await startRoot({ origins: [origin.url], chunkSize: '1MiB' });
  await using agent = await startAgent(
    { origins: [origin.url], chunkSize: '1MiB', agent: { OriginFallback: false } },
    [first.url, second.url],
  );
  const bytes = blobOf(6 * 1024 * 1024, 'mid-chunk');
  const url = origin.put(`/v2/f/blobs/sha256:${sha256(bytes)}`, bytes);
  let ended: Promise<unknown> | undefined;
  const answer = await get(through(agent, url), {
    onPiece() {
      // Whichever of the two is at work: it has counted nothing yet, the other never will.
      ended ??= Promise.all([metric(first, 'p2p_flights'), metric(second, 'p2p_flights')]).then(
        ([busy = 0]) => (busy > 0 ? first : second).stop('SIGKILL'),
      );
    },
  });
  assert.is(await ended, 'SIGKILL');
  assert.is(answer.complete, true);
  assert.is(answer.digest, sha256(bytes));
  assert.ok((await metric(agent, 'p2p_failures_total', 'event="upstream_failed"')) > 0);
});

test('with every root dead an agent reads the origin itself, unless it may not', async () => {
  await using origin = await startOrigin();
  const dead = [DEAD, '127.0.0.1:2'];
  await using agent = await startAgent({ origins: [origin.url] }, dead);
  for (const { url, digest } of blobsOf(origin, 'fallback')) {
    const answer = await get(through(agent, url));
    assert.is(answer.status, 200);
    assert.is(answer.digest, digest);
  }
  await using strict = await startAgent({ origins: [origin.url], agent: { OriginFallback: false } }, dead);
  origin.forget();
  for (const { url } of blobsOf(origin, 'no fallback')) {
    const answer = await get(through(strict, url));
    assert.is(answer.status, 502);
    assert.match(String(answer.headers['x-p2p-error']), /^UPSTREAM/);
    assert.match(answer.text, /^UPSTREAM/);
  }
  assert.is(origin.hits.length, 0, 'an agent without fallback leaves the origin alone');
});

test('roots that come back are used again', async () => {
  await using origin = await startOrigin();
  const port = await freePort();
  await using agent = await startAgent({ origins: [origin.url] }, [`127.0.0.1:${port}`]);
  for (const { url, digest } of blobsOf(origin, 'away'))
    assert.is((await get(through(agent, url))).digest, digest);
  assert.is(await metric(agent, 'p2p_served_bytes_total', 'from="root"'), 0);
  await using _root = await startRoot({ origins: [origin.url], root: { P2PConfig: { Port: port } } });
  let turn = 0;
  await until('the root to be asked again', async () => {
    turn += 1;
    const bytes = blobOf(1000, `back ${turn}`);
    const url = origin.put(`/v2/f/blobs/sha256:${sha256(bytes)}`, bytes);
    assert.is((await get(through(agent, url))).digest, sha256(bytes));
    return (await metric(agent, 'p2p_served_bytes_total', 'from="root"')) > 0;
  });
});

test('what is not on the list is refused with 403 and the setting to change', async () => {
  await using listed = await startOrigin({ blobs: { '/a': blobOf(10, 1) } });
  await using other = await startOrigin({ blobs: { '/a': blobOf(10, 1) } });
  await using root = await startRoot({ origins: [listed.url] });
  await using agent = await startAgent({ origins: [listed.url] }, [root.url]);
  const refused = {
    'another port of this machine': `${other.url}/a`,
    'a name that resolves to loopback': `http://localhost:${other.port}/a`,
    'loopback written otherwise': `http://127.1:${other.port}/a`,
    'loopback in IPv6': `http://[::1]:${other.port}/a`,
    'loopback as IPv4 in IPv6': `http://[::ffff:127.0.0.1]:${other.port}/a`,
    'a private address': 'http://10.0.0.1/a',
    'the metadata address': 'http://169.254.169.254/latest/meta-data/',
    'a host beyond the list': 'http://example.test/a',
  };
  for (const node of [root, agent]) {
    await eachCase(refused, async (url) => {
      const answer = await get(through(node, url));
      assert.is(answer.status, 403, answer.text);
      assert.is(answer.headers['x-p2p-error'], 'ORIGIN_NOT_ALLOWED');
      assert.match(answer.text, /Origins/);
    });
    assert.is((await get(through(node, `${listed.url}/a`))).digest, sha256(blobOf(10, 1)));
  }
  assert.is(other.hits.length, 0);
});

test('a listed name is refused where it leads to an address that is not public, and so is a redirect', async () => {
  await using secret = await startOrigin({ blobs: { '/a': blobOf(10, 1) } });
  await using listed = await startOrigin();
  // The list opens private addresses to a host named on it, not to those a wildcard admits.
  await using root = await startRoot({ origins: ['*', listed.url.replace('http://', '')] });
  const byName = await get(through(root, `http://localhost:${secret.port}/a`));
  assert.is(byName.status, 403, byName.text);
  assert.match(byName.text, /Origins/);
  await using strict = await startRoot({ origins: [`http://127.0.0.1:${listed.port}`] });
  listed.faults.push({ redirect: 'http://10.255.255.1/a' });
  const led = await get(through(strict, listed.put('/b', blobOf(10, 2))));
  assert.is(led.status, 403, led.text);
  assert.match(led.text, /Origins/);
  assert.is(secret.hits.length, 0);
});

test('a wrong key is refused, and a list of roots that leads back is a loop, not a hang', async () => {
  await using origin = await startOrigin({ blobs: { '/a': blobOf(10, 1) } });
  const port = await freePort();
  await using own = await startNode({
    settings: {
      Origins: [origin.url],
      OriginFallback: false,
      P2PConfig: { Port: port, RootList: [`127.0.0.1:${port}`] },
    },
  });
  const wrong = await get(`${own.url}/other-key/${origin.url}/a`);
  assert.is(wrong.status, 403);
  assert.is(wrong.headers['x-p2p-error'], 'KEY_REFUSED');
  const looped = await get(through(own, `${origin.url}/a`));
  assert.is(looped.status, 508, looped.text);
  assert.is(looped.headers['x-p2p-error'], 'LOOP_DETECTED');

  // A circle of two, each the other's root.
  const [left, right] = [await freePort(), await freePort()];
  const circle = { origins: [origin.url], agent: { OriginFallback: false } };
  const portOf = (Port: number) => ({ ...circle, agent: { ...circle.agent, P2PConfig: { Port } } });
  await using one = await startAgent(portOf(left), [`127.0.0.1:${right}`]);
  await using _two = await startAgent(portOf(right), [`127.0.0.1:${left}`]);
  const circled = await get(through(one, `${origin.url}/a`));
  assert.is(circled.status, 508, circled.text);
  assert.is(origin.hits.length, 0);
});

test.run();
