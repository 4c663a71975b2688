import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Filler } from '../../functions/blob/fill.ts';
import { Flight } from '../../functions/blob/flight.ts';
import type { Giver, Reply, Source } from '../../functions/blob/upstream.ts';
import { parseAddress } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import { formatContentRange, parseRange } from '../../functions/protocol/range.ts';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { BARE_KEY, plainFacts } from '../support/samples.ts';

const test = suite('system/fill-siblings');

const SIZE = 1_000;
const BYTES = blobOf(SIZE, 'siblings');
const ADDRESS = parseAddress('http://origin.test/x');

/** What a source does with what it is asked: how many bytes it sends of it, and whether it proves the chunk then. */
interface Deed {
  readonly bytes?: number;
  readonly breaks?: true;
  readonly proves?: true;
}

/** Sources that do these things, one each time they are asked, and what they were asked for. */
function fillFrom(...deeds: readonly (readonly [Giver['kind'], Deed])[]) {
  const asked: string[] = [];
  const blamed: string[] = [];
  const left = [...deeds];
  const sourceOf = (kind: Giver['kind'], { bytes, breaks, proves }: Deed, name: string): Source => ({
    name,
    kind,
    blame: () => blamed.push(name),
    async open({ headers }): Promise<Reply> {
      const range = String(headers.range);
      asked.push(`${kind} ${range}`);
      left.shift();
      const [spec] = parseRange(range) ?? [];
      assert.ok(spec && 'first' in spec && spec.last !== undefined, range);
      const span = { start: spec.first, end: spec.last + 1 };
      return {
        status: 206,
        headers: { 'content-range': formatContentRange(span, SIZE), 'last-modified': 'x' },
        body: {
          async read(sink) {
            await sink(BYTES.subarray(span.start, Math.min(span.end, span.start + (bytes ?? SIZE))));
            if (breaks) throw new P2PError('UPSTREAM_TIMEOUT', `${name} broke off`);
          },
          discard() {},
        },
        ...(proves && { proof: () => sha256(BYTES) }),
      };
    },
  });
  const upstream = {
    *sources() {
      for (let [deed] = left; deed !== undefined; [deed] = left)
        yield sourceOf(...deed, `${deed[0]} ${left.length}`);
    },
  };
  const events = { served() {}, checked() {}, failed() {} };
  const filler = new Filler(upstream, events, new AbortController().signal, true);
  const facts = { ...plainFacts(), key: BARE_KEY, size: SIZE, digest: `sha256:${sha256(BYTES)}` as const };
  const flight = new Flight({ key: BARE_KEY, chunkBytes: SIZE, index: 0 }, SIZE);
  return { asked, blamed, flight, filled: filler.fill(flight, { address: ADDRESS, facts, headers: {} }) };
}

const WHOLE = `bytes=0-${SIZE - 1}`;

test('asks nobody for nothing where a sibling breaks off behind the last byte, and holds nothing against it', async () => {
  // It asked for a range without a byte, in answer to which an origin sends the whole blob.
  const { asked, blamed, filled } = fillFrom(['sibling', { breaks: true }], ['sibling', { proves: true }]);
  assert.is((await filled).sha256, sha256(BYTES));
  assert.equal([asked, blamed], [[`sibling ${WHOLE}`, `sibling ${WHOLE}`], []]);
});

test('asks siblings alone for the rest of what a sibling has begun, and others for all of it', async () => {
  // The rest alone proves nothing: it was thrown away, and all of it asked for once more.
  for (const kind of ['root', 'origin'] as const) {
    const { asked, filled } = fillFrom(
      ['sibling', { bytes: 300, breaks: true }],
      ['sibling', { bytes: 100, breaks: true }],
      [kind, {}],
    );
    assert.is((await filled).sha256, sha256(BYTES));
    assert.equal(asked, [`sibling ${WHOLE}`, 'sibling bytes=300-999', `${kind} ${WHOLE}`]);
  }
  const { asked, filled } = fillFrom(
    ['root', { bytes: 300, breaks: true }],
    ['origin', { bytes: 100, breaks: true }],
    ['sibling', { proves: true }],
  );
  assert.is((await filled).sha256, sha256(BYTES));
  assert.equal(asked, [`root ${WHOLE}`, 'origin bytes=300-999', 'sibling bytes=400-999']);
});

test('tells those that wait for a chunk each word that it is on its way', async () => {
  const flight = new Flight({ key: BARE_KEY, chunkBytes: SIZE, index: 0 }, SIZE);
  let words = 0;
  const upstream = {
    *sources(): Iterable<Source> {
      yield {
        name: 'root',
        kind: 'root',
        async open({ heard }) {
          await Promise.resolve();
          heard?.();
          heard?.();
          throw new P2PError('UPSTREAM_UNREACHABLE', 'gone');
        },
      };
    },
  };
  const events = { served() {}, checked() {}, failed() {} };
  const filler = new Filler(upstream, events, new AbortController().signal, true);
  const facts = { ...plainFacts(), size: SIZE };
  const filling = filler.fill(flight, { address: ADDRESS, facts, headers: {} }).catch(() => {});
  await flight.hearing.during(filling, () => {
    words += 1;
  });
  assert.is(words, 2);
});

test.run();
