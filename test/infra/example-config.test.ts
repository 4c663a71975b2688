import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadSettings } from '../../functions/service/config/load.ts';
import { formatExample } from '../../infra/example-config.ts';

const test = suite('infra/example-config');

const committed = readFileSync(new URL('../../infra/dadip2p.example.yaml', import.meta.url), 'utf8');

test('the example file is what the schema says ("npm run example" writes it)', () => {
  assert.is(committed, formatExample());
});

test('the example file loads, and says the defaults', () => {
  const example = loadSettings({ text: committed, file: 'dadip2p.example.yaml', env: {} });
  assert.equal(example, loadSettings({ text: undefined, file: '', env: {} }));
});

test.run();
