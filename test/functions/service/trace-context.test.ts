import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contextOf, formatContext } from '../../../functions/service/trace-context.ts';

const test = suite('functions/service/trace-context');

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

test('goes on with the trace of a request, as another span of it, with its flags', () => {
  const context = contextOf(`00-${TRACE}-00f067aa0ba902b7-00`);
  assert.is(context.traceId, TRACE);
  const first = formatContext(context);
  assert.match(first, new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
  assert.not.match(first, '00f067aa0ba902b7');
  assert.is.not(formatContext(context), first);
});

test('begins a trace of its own where there is none, or none that is to be understood', () => {
  const bad = [
    undefined,
    '',
    'nonsense',
    `ff-${TRACE}-00f067aa0ba902b7-01`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-00f067aa0ba902b7-01`,
  ];
  const ids = bad.map((traceparent) => contextOf(traceparent).traceId);
  for (const id of ids) assert.match(id, /^(?!0{32})[0-9a-f]{32}$/);
  assert.is(new Set([...ids, TRACE]).size, bad.length + 1);
});

test('understands what versions to come may add', () => {
  assert.is(contextOf(`cc-${TRACE}-00f067aa0ba902b7-01-more`).traceId, TRACE);
});

test.run();
