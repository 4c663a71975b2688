import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadSettings } from '../../../functions/service/config/load.ts';
import { prepareInterception } from '../../../sidecar/tls/prepare.ts';
import { memoryLog } from '../../support/app.ts';
import { tempDir } from '../../support/temp-dir.ts';

const test = suite('sidecar/tls/prepare');

const YEAR_MS = 365 * 86_400_000;

/** Prepares nodes that share the files of one folder; gives what each logged. */
async function openNodes() {
  const dir = await tempDir();
  const CertConfig = { CertPath: join(dir.path, 'ca.crt'), KeyPath: join(dir.path, 'ca.key') };
  return {
    CertConfig,
    async prepare(Origins: readonly string[], more: object = {}, nowMs = Date.now()) {
      const { log, lines } = memoryLog();
      const ProxyConfig = { CertConfig: { ...CertConfig, GenerateCert: true }, ...more };
      const text = JSON.stringify({ Origins, ProxyConfig });
      const prepared = await prepareInterception(loadSettings({ text, file: 'test', env: {} }), log, nowMs);
      return { prepared, lines, events: lines.map(({ event }) => event) };
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

test('makes an authority once, for the hosts that are intercepted', async () => {
  await using nodes = await openNodes();
  const first = await nodes.prepare(['a.test', '*.b.test']);
  assert.equal(first.events, ['authority_made']);
  assert.equal(first.lines[0]?.hosts, ['a.test', 'b.test']);
  const second = await nodes.prepare(['a.test', '*.b.test']);
  assert.equal(second.events, []);
  assert.is(second.prepared?.authority.notAfterMs, first.prepared?.authority.notAfterMs);
});

test('tunnels without an authority, and says once what to do', async () => {
  await using nodes = await openNodes();
  const { prepared, lines } = await nodes.prepare(['a.test'], { CertConfig: nodes.CertConfig });
  assert.is(prepared, undefined);
  assert.is(lines.length, 1);
  assert.is(lines[0]?.event, 'https_tunnelled');
  assert.match(String(lines[0]?.remedy), `${nodes.CertConfig.CertPath} is missing`);
  assert.match(String(lines[0]?.remedy), '--generate-cert');
});

test('says nothing, and makes nothing, where HTTPS is not to be intercepted', async () => {
  await using nodes = await openNodes();
  const off = await nodes.prepare(['a.test'], { ProxyHTTPS: false });
  assert.equal([off.prepared, off.events], [undefined, []]);
  const ruleless = await nodes.prepare(['a.test'], { Rules: [] });
  assert.equal([ruleless.prepared, ruleless.events], [undefined, []]);
});

test('warns that "*" in Origins leaves hosts that no rule names tunnelled', async () => {
  await using nodes = await openNodes();
  const { prepared, lines, events } = await nodes.prepare(['*'], {
    Rules: [{ Hosts: ['named.test'], Action: 'accelerate' }],
  });
  assert.equal(events, ['other_https_tunnelled', 'authority_made']);
  assert.equal(lines[0]?.intercepted, ['named.test']);
  assert.ok(prepared?.authority.permits('named.test'));
});

test('names hosts that the authority of old does not permit, with the remedy', async () => {
  await using nodes = await openNodes();
  await nodes.prepare(['a.test']);
  const { prepared, lines } = await nodes.prepare(['a.test', 'new.test']);
  assert.ok(prepared);
  assert.is(lines.length, 1);
  assert.is(lines[0]?.event, 'hosts_not_permitted');
  assert.equal(lines[0]?.hosts, ['new.test']);
  assert.match(String(lines[0]?.remedy), 'remove both files');
});

test('warns in time that the authority ends', async () => {
  await using nodes = await openNodes();
  await nodes.prepare(['a.test']);
  const later = await nodes.prepare(['a.test'], {}, Date.now() + 4 * YEAR_MS);
  assert.equal(later.events, []);
  const last = await nodes.prepare(['a.test'], {}, Date.now() + 4.9 * YEAR_MS);
  assert.equal(last.events, ['authority_expires']);
});

test.run();
