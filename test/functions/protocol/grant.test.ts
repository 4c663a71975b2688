import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatGrant, parseGrant } from '../../../functions/protocol/grant.ts';

const test = suite('functions/protocol/grant');

const NOW_MS = 1_000_000;

test('tells another node for how long a right still holds, never for longer', () => {
  for (const publicBy of [undefined, 'bare', 'token'] as const) {
    const text = formatGrant({ untilMs: NOW_MS + 2_999, publicBy }, NOW_MS);
    assert.equal(parseGrant(text, 5_000), { untilMs: 7_000, publicBy });
  }
  assert.is(formatGrant({ untilMs: NOW_MS - 1, publicBy: undefined }, NOW_MS), 'max-age=0');
  assert.is(
    formatGrant({ untilMs: Number.POSITIVE_INFINITY, publicBy: 'bare' }, NOW_MS),
    'max-age=86400; public=bare',
  );
});

test('takes nothing else for a grant', () => {
  for (const text of [
    undefined,
    '',
    'public=bare',
    'max-age=-1',
    'max-age=1e9',
    'max-age=1; public=yes',
    'max-age=1, max-age=2',
  ]) {
    assert.is(parseGrant(text, NOW_MS), undefined);
  }
});

test.run();
