import process from 'node:process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { stopOnSignals } from '../../../sidecar/cli/stop-on-signals.ts';
import type { SupervisedNode } from '../../../sidecar/supervisor.ts';

const test = suite('sidecar/cli/stop-on-signals');

test('stops what was there at the signal, and what is still being started then', () => {
  const others = new Set(process.listeners('SIGTERM'));
  const add = stopOnSignals();
  const told: string[] = [];
  const node = (name: string) => ({ stop: () => void told.push(name) }) as unknown as SupervisedNode;
  add(node('root'));
  assert.equal(told, []);
  for (const listener of process.listeners('SIGTERM')) {
    if (!others.has(listener)) listener('SIGTERM');
  }
  add(node('agent'));
  assert.equal(told, ['root', 'agent']);
});

test.run();
