import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ShownTrace } from '../../sidecar/explain/format-trace.ts';
import { depthsOf } from './depth.ts';

const test = suite('lab/depth');

/** What a host tells that had each chunk from there. */
const told = (...sources: readonly string[]): ShownTrace => ({
  trace: 'a',
  requests: sources.map((source, index) => ({
    method: 'GET',
    url: 'http://origin/blob',
    startedMs: 0,
    omitted: 0,
    unread: [],
    chunks: [
      {
        index,
        bytes: 1,
        from: source === '' ? 'memory' : 'sibling',
        wantedMs: 0,
        firstByteMs: 0,
        doneMs: 0,
        legs:
          source === ''
            ? []
            : [
                { source: 'd', kind: 'sibling', askedMs: 0, failure: 'UPSTREAM_TIMEOUT' },
                { source, kind: source === 'root' ? 'root' : 'sibling', askedMs: 0, answeredMs: 0 },
              ],
      },
    ],
  })),
});

test('counts how often each chunk was handed on until it was at each host', () => {
  const traces = new Map([
    ['a', told('root', 'b')],
    ['b', told('a', 'root')],
    ['c', told('b', 'b')],
    ['d', told('c', 'b')],
  ]);
  // Of the first 1, 2, 3, 4; of the second 2, 1, 2, 2.
  assert.equal(depthsOf(traces), { median: 2, largest: 4, known: 8 });
});

test('leaves out what leads to a host that tells nothing of it, or round in a circle', () => {
  const traces = new Map([
    ['a', told('', 'b')],
    ['b', told('a', 'a')],
    ['c', told('root', 'x')],
  ]);
  assert.equal(depthsOf(traces), { median: 1, largest: 1, known: 1 });
  assert.equal(depthsOf(new Map()), { median: 0, largest: 0, known: 0 });
});

test.run();
