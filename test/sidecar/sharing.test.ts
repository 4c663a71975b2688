import type { IncomingMessage, ServerResponse } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobKey } from '../../functions/blob/identity.ts';
import { parseAddress } from '../../functions/protocol/address.ts';
import { formatBlobLine } from '../../functions/protocol/headers.ts';
import { parseRange } from '../../functions/protocol/range.ts';
import { ChunkSignatures } from '../../functions/service/chunk-signature.ts';
import { ClusterKeys } from '../../functions/service/cluster-keys.ts';
import { loadSettings } from '../../functions/service/config/load.ts';
import { Metrics } from '../../functions/service/metrics.ts';
import { NodeCalls } from '../../functions/service/node-calls.ts';
import { NodeTokens } from '../../functions/service/node-tokens.ts';
import { Readiness } from '../../functions/service/readiness.ts';
import { openSharing } from '../../sidecar/sharing.ts';
import { FallbackUpstream } from '../../sidecar/upstream/fallback.ts';
import { RootsUpstream } from '../../sidecar/upstream/roots.ts';
import { listen, startP2P } from '../support/app.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { get } from '../support/client.ts';
import { CLUSTER_SECRET } from '../support/cluster.ts';
import { eachCase } from '../support/each-case.ts';
import { memberOf } from '../support/members.ts';
import { startOrigin } from '../support/origin.ts';
import { originUpstream } from '../support/reader.ts';

const test = suite('sidecar/sharing');

const CHUNK = 64 * 1024;
const SIZE = 20 * CHUNK + 777;
const SELF = 'http://reader.test:19145';
const NOW_MS = Date.now();
const keys = ClusterKeys.of([CLUSTER_SECRET]) as ClusterKeys;
const signatures = new ChunkSignatures(keys);

/** A request for a chunk, and what would be the right answer. */
interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly index: number;
  readonly bytes: Buffer;
  /** Of a true sibling. */
  readonly headers: Record<string, string>;
  /** The lines that prove these bytes to be the chunk. */
  prove(bytes: Buffer): Record<string, string>;
  /** Where nobody of the cluster is. */
  readonly stranger: string;
}

const flipped = (bytes: Buffer): Buffer => {
  const wrong = Buffer.from(bytes);
  wrong[wrong.length >> 1] = (wrong[wrong.length >> 1] ?? 0) ^ 1;
  return wrong;
};

/** What a sibling may do, with whether that is its bytes' fault. */
const MISDEEDS: Readonly<
  Record<string, { readonly isBlamed: boolean; readonly answer: (asked: Asked) => void }>
> = {
  'sends other bytes than it proves': {
    isBlamed: true,
    answer: ({ response, bytes, headers, prove }) =>
      response.writeHead(206, { ...headers, ...prove(bytes) }).end(flipped(bytes)),
  },
  'proves other bytes behind them than it has sent': {
    isBlamed: true,
    answer({ response, bytes, headers, prove }) {
      const { 'content-length': _, ...framed } = headers;
      response.writeHead(206, { ...framed, trailer: 'content-digest, x-p2p-signature' });
      response.addTrailers(prove(flipped(bytes)));
      response.end(bytes);
    },
  },
  'proves nothing': {
    isBlamed: true,
    answer: ({ response, bytes, headers }) => response.writeHead(206, headers).end(flipped(bytes)),
  },
  'claims a digest that nobody has signed': {
    isBlamed: true,
    answer({ response, bytes, headers, prove }) {
      const { 'content-digest': digest = '' } = prove(flipped(bytes));
      const signature = { 'x-p2p-signature': 'A'.repeat(43) };
      response.writeHead(206, { ...headers, 'content-digest': digest, ...signature }).end(flipped(bytes));
    },
  },
  'breaks off in the middle': {
    isBlamed: false,
    answer({ response, bytes, headers, prove }) {
      response.writeHead(206, { ...headers, ...prove(bytes) });
      response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
    },
  },
  'breaks off in the middle of wrong bytes': {
    isBlamed: false,
    answer({ response, bytes, headers }) {
      response.writeHead(206, headers);
      response.write(flipped(bytes).subarray(0, bytes.length - 10), () => response.destroy());
    },
  },
  'sends another range': {
    isBlamed: false,
    answer: ({ response, bytes, headers, prove }) =>
      response
        .writeHead(206, {
          ...headers,
          ...prove(bytes),
          'content-range': `bytes 0-${bytes.length - 1}/${SIZE}`,
        })
        .end(bytes),
  },
  'sends a page in place of a range': {
    isBlamed: false,
    answer: ({ response }) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>hello</p>'),
  },
  'says that there is no such blob': {
    isBlamed: false,
    answer: ({ response }) => response.writeHead(404, { 'content-length': 0 }).end(),
  },
  'has another size of the blob': {
    isBlamed: true,
    answer: ({ response, bytes, headers, prove, index }) =>
      response
        .writeHead(206, {
          ...headers,
          ...prove(bytes),
          'content-range': `bytes ${index * CHUNK}-${index * CHUNK + bytes.length - 1}/${SIZE + CHUNK}`,
        })
        .end(bytes),
  },
  'may not ask that origin itself': {
    isBlamed: false,
    answer: ({ response }) =>
      response.writeHead(403, { 'x-p2p-error': 'ORIGIN_NOT_ALLOWED', 'set-cookie': 'theirs=1' }).end('no'),
  },
  'sends us on to a stranger': {
    isBlamed: false,
    answer: ({ request, response, stranger }) =>
      response.writeHead(307, { location: `${stranger}${request.url}`, 'content-length': 0 }).end(),
  },
  'sends us on to itself for ever': {
    isBlamed: false,
    answer: ({ request, response }) =>
      response
        .writeHead(307, { location: `http://${request.headers.host}${request.url}`, 'content-length': 0 })
        .end(),
  },
};

/** A sibling that does as it is told, beside one of ours that reads blobs one after the other, a root and its origin. */
async function readEachBeside(misdeed: (asked: Asked) => void, blobs: readonly Buffer[], isAlone = false) {
  // Who was left alone for a while is then left alone for good.
  const now = isAlone ? () => NOW_MS : Date.now;
  await using origin = await startOrigin();
  await using root = await startP2P({ chunkBytes: CHUNK });
  let blob: Buffer = Buffer.alloc(0);
  let strangersAsked = 0;
  await using stranger = await listen((_, response) => {
    strangersAsked += 1;
    response.end();
  });
  let asks = 0;
  await using rogue = await listen((request, response) => {
    asks += 1;
    const [spec] = parseRange(request.headers.range) ?? [];
    const first = spec !== undefined && 'first' in spec ? spec.first : 0;
    const index = Math.floor(first / CHUNK);
    const bytes = blob.subarray(first, Math.min(SIZE, (index + 1) * CHUNK));
    const address = parseAddress((request.url ?? '').slice('/dadip2p/'.length));
    const facts = { key: blobKey(address, SIZE, undefined, undefined) ?? '', size: SIZE, chunkBytes: CHUNK };
    misdeed({
      ...{ request, response, index, bytes, stranger: stranger.url },
      headers: {
        'content-length': String(bytes.length),
        'content-range': `bytes ${first}-${first + bytes.length - 1}/${SIZE}`,
        'x-p2p-blob': formatBlobLine(facts),
      },
      prove: (shown) => signatures.sign({ facts, index }, sha256(shown)),
    });
  });
  // It owns nearly all chunks, the first one included, by which the blob is learnt.
  const self = memberOf('self', { url: SELF });
  const members = [self, memberOf('rogue', { url: rogue.url, weight: 100 })];
  const settings = loadSettings({
    text: JSON.stringify({ P2PConfig: { CacheConfig: { ChunkSize: CHUNK } }, Secret: [CLUSTER_SECRET] }),
    file: 'test.yaml',
    env: {},
  });
  await using origins = originUpstream();
  const roots = new RootsUpstream({
    http: origins.http,
    ...{ roots: isAlone ? [] : [root.url], apiKey: 'dadip2p', hasFallback: false, now: Date.now },
  });
  const metrics = new Metrics();
  const sharing = openSharing(settings, {
    members: {
      self,
      list: () => members,
      byUrl: (url) => members.find((member) => member.url === new URL(url).origin),
      close: async () => {},
    },
    ...{ roots, rootUrls: [root.url], origin: undefined, keys, trust: undefined, metrics, now },
    calls: new NodeCalls(new NodeTokens({ keys, self: SELF, now: Date.now })),
    readiness: new Readiness(),
    hasRoom: () => false,
    coming: () => undefined,
  });
  await using agent = await startP2P({ upstream: new FallbackUpstream(sharing.upstreams), self: SELF });
  const replies: Buffer[] = [];
  for (blob of blobs) {
    const path = `/v2/library/x/blobs/sha256:${sha256(blob)}`;
    const { bytes } = await get(agent.of(origin.put(path, blob)));
    replies.push(bytes);
  }
  await sharing.close();
  const { text } = await metrics.render();
  return { replies, asks, strangersAsked, isBlamed: text.includes(`p2p_blamed_total{peer="${rogue.url}"}`) };
}

async function readBeside(misdeed: (asked: Asked) => void, blob: Buffer) {
  const { replies, ...seen } = await readEachBeside(misdeed, [blob]);
  return { bytes: replies[0] as Buffer, ...seen };
}

test('whatever a sibling answers, readers get the right bytes, and nobody outside the cluster is asked', () =>
  eachCase(MISDEEDS, async ({ isBlamed, answer }, what) => {
    const blob = blobOf(SIZE, what);
    const got = await readBeside(answer, blob);
    assert.ok(got.bytes.equals(blob));
    assert.ok(got.asks > 0, 'it was asked');
    assert.is(got.strangersAsked, 0);
    assert.is(got.isBlamed, isBlamed);
  }));

test('what a sibling has and proves is read from it, behind the body or before it', () =>
  eachCase(
    {
      before: ({ response, bytes, headers, prove }) =>
        response.writeHead(206, { ...headers, ...prove(bytes) }).end(bytes),
      behind({ response, bytes, headers, prove }) {
        const { 'content-length': _, ...framed } = headers;
        response.writeHead(206, { ...framed, trailer: 'content-digest, x-p2p-signature' });
        response.addTrailers(prove(bytes));
        response.end(bytes);
      },
    } satisfies Record<string, (asked: Asked) => void>,
    async (answer, what) => {
      const blob = blobOf(SIZE, what);
      const got = await readBeside(answer, blob);
      assert.ok(got.bytes.equals(blob));
      assert.ok(got.asks > 3, `${got.asks} chunks were asked for`);
      assert.not(got.isBlamed);
    },
  ));

// Three replies in a row that broke, or only came later than another's, and nobody asked the one that had the chunk.
test('asks a sibling that has failed before when roots and origin have failed too, for what it has', async () => {
  const blobs = ['one', 'two', 'three', 'whole'].map((name) => blobOf(SIZE, name));
  const isWhole = (bytes: Buffer) => (blobs[3] as Buffer).includes(bytes);
  const asked: (string | undefined)[] = [];
  const { replies } = await readEachBeside(
    ({ request, response, bytes, headers, prove }) => {
      if (!isWhole(bytes)) return void response.destroy();
      asked.push(request.headers['cache-control']);
      response.writeHead(206, { ...headers, ...prove(bytes) }).end(bytes);
    },
    blobs,
    true,
  );
  assert.ok(replies.at(-1)?.equals(blobs[3] as Buffer));
  assert.is(asked[0], 'only-if-cached');
});

test.run();
