import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Upstream } from '../../../functions/blob/upstream.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import { FallbackUpstream } from '../../../sidecar/upstream/fallback.ts';

const test = suite('sidecar/upstream/fallback');

const upstreamOf = (...names: string[]): Upstream => ({
  *sources() {
    for (const name of names) yield { name, kind: 'root', open: () => Promise.reject(new Error(name)) };
  },
});

test('has the sources of one upstream after those of the other', () => {
  const upstream = new FallbackUpstream([upstreamOf('a', 'b'), upstreamOf(), upstreamOf('c')]);
  const names = [...upstream.sources(parseAddress('http://a.test/'))].map(({ name }) => name);
  assert.equal(names, ['a', 'b', 'c']);
});

test('does not look for later sources before the earlier ones were taken', () => {
  const late: Upstream = {
    sources() {
      throw new Error('looked');
    },
  };
  const [first] = new FallbackUpstream([upstreamOf('a'), late]).sources(parseAddress('http://a.test/'));
  assert.is(first?.name, 'a');
});

test.run();
