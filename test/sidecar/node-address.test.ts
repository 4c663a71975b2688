import { hostname, networkInterfaces } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Settings } from '../../functions/service/config/settings.ts';
import { nodeAddress } from '../../sidecar/node-address.ts';

const test = suite('sidecar/node-address');

const addressOf = (NodeIP: string, DetectAddr: string, Siblings: string[] = []): Promise<string> =>
  nodeAddress({ NodeIP, DetectAddr, Siblings, Port: 19145 } as unknown as Settings['P2PConfig']);

test('is NodeIP where that is set, whatever kind of address it is', async () => {
  assert.is(await addressOf('10.1.2.3', '8.8.8.8:53'), 'http://10.1.2.3:19145');
  assert.is(await addressOf('fd00::1', '8.8.8.8:53'), 'http://[fd00::1]:19145');
});

test('is the address that a packet to DetectAddr would leave from', async () => {
  assert.is(await addressOf('', '127.0.0.1:9'), 'http://127.0.0.1:19145');
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  for (const { address, family, internal } of own.filter(({ scopeid }) => !scopeid)) {
    const target = family === 'IPv6' ? `[${address}]` : address;
    const { hostname } = new URL(await addressOf('', `${target}:9`));
    assert.is(
      hostname.replace(/^\[|\]$/g, ''),
      internal ? (family === 'IPv6' ? '::1' : '127.0.0.1') : address,
    );
  }
});

test('is what its siblings are told to call it, unless NodeIP says otherwise', async () => {
  const siblings = ['10.9.9.9:19145', `${hostname()}:19145`, `${hostname()}:1`];
  assert.is(await addressOf('', '127.0.0.1:9', siblings), `http://${hostname().toLowerCase()}:19145`);
  assert.is(await addressOf('', '127.0.0.1:9', ['10.9.9.9:19145']), 'http://127.0.0.1:19145');
  assert.is(await addressOf('10.1.2.3', '127.0.0.1:9', siblings), 'http://10.1.2.3:19145');
});

for (const target of ['no-such-host.invalid:53', '127.0.0.1:99999', '127.0.0.1', 'nonsense', '']) {
  test(`is loopback where ${target || 'nothing'} tells no address`, async () => {
    assert.is(await addressOf('', target), 'http://127.0.0.1:19145');
  });
}

test.run();
