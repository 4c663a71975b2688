import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type SecureContext } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadSettings } from '../../../functions/service/config/load.ts';
import { HttpClient } from '../../../functions/service/http-client.ts';
import { loadTrust } from '../../../functions/service/trust.ts';
import { createP2PServer } from '../../../sidecar/http-servers.ts';
import { clusterTrust, type NodeTls, openNodeTls } from '../../../sidecar/tls/node-tls.ts';
import { listen } from '../../support/app.ts';
import { createAuthority } from '../../support/authority.ts';
import { opensslText } from '../../support/openssl.ts';
import { rejects } from '../../support/rejects.ts';
import { NEW_SECRET, OLD_SECRET } from '../../support/secrets.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { PATIENCE_MS } from '../../support/until.ts';

const test = suite('sidecar/tls/node-tls');

const SELF = 'https://127.0.0.1:19145';
const HEAD_MS = 5_000;
const LIMITS = { connectMs: 5_000, firstByteMs: 5_000, idleMs: 5_000, connections: 2 };

const settingsOf = (config: object) => loadSettings({ text: JSON.stringify(config), file: 'test', env: {} });

/** What a node with these secrets speaks TLS with, and what others of P2PConfig are laid over. */
async function tlsOf(secrets: readonly string[], over: object = {}, self = SELF): Promise<NodeTls> {
  const settings = settingsOf({ Secret: secrets, P2PConfig: { ServeBySSL: true, ...over } });
  return (await openNodeTls(settings, self, Date.now())) as NodeTls;
}

/** The P2P port of a node, to which everyone is somebody from elsewhere unless told otherwise. */
const serve = (tls: NodeTls, isHere = () => false) =>
  listen(createP2PServer((_, response) => response.end('served'), HEAD_MS, tls, isHere));

async function ask(port: number, trust: SecureContext | undefined, host = '127.0.0.1'): Promise<number> {
  const http = new HttpClient({ ...LIMITS, trust });
  try {
    const request = { url: `https://${host}:${port}/`, method: 'GET', headers: {} } as const;
    const reply = await http.request(request, AbortSignal.timeout(PATIENCE_MS));
    reply.body.discard();
    return reply.status;
  } finally {
    await http.close();
  }
}

test('speaks no TLS unless it is told to', async () => {
  assert.is(await openNodeTls(settingsOf({ Secret: [NEW_SECRET] }), SELF, Date.now()), undefined);
});

test('makes of a secret certificates by which nodes know each other, as siblings and as roots', async () => {
  const [one, other] = await Promise.all([tlsOf([NEW_SECRET]), tlsOf([NEW_SECRET])]);
  await using node = await serve(one);
  assert.is(await ask(node.port, clusterTrust(other)), 200);
  assert.is(await ask(node.port, loadTrust('', undefined, other)), 200);
  assert.is(await ask(node.port, clusterTrust(other), 'localhost'), 200);
  const text = await opensslText(one.cert);
  for (const said of ['IP Address:127.0.0.1', 'TLS Web Server', 'TLS Web Client']) assert.match(text, said);
  assert.not.match(text, 'CA:TRUE');
});

test('is believed under the names of its certificate alone', async () => {
  const tls = await tlsOf([NEW_SECRET]);
  const { Authority } = await import('../../../sidecar/tls/authority.ts');
  const { clusterAuthority } = await import('../../../sidecar/tls/cluster-authority.ts');
  const { cert, key } = await clusterAuthority(NEW_SECRET);
  const leaf = await (await Authority.of(cert, key)).issueForNode(['10.0.0.7'], Date.now());
  await using elsewhere = await serve({ ...tls, ...leaf });
  const error = await rejects('UPSTREAM_UNREACHABLE', ask(elsewhere.port, clusterTrust(tls)));
  assert.match(error.message, 'its certificate is for other names');
});

test('believes no node whose secret it does not have, and shows a stranger no request', async () => {
  await using node = await serve(await tlsOf([OLD_SECRET]));
  const error = await rejects(
    'UPSTREAM_UNREACHABLE',
    ask(node.port, clusterTrust(await tlsOf([NEW_SECRET]))),
  );
  assert.match(error.message, 'no authority that is trusted here');
  await rejects('UPSTREAM_UNREACHABLE', ask(node.port, undefined));
});

test('believes nodes of either secret while it is being changed', async () => {
  const changing = await tlsOf([NEW_SECRET, OLD_SECRET]);
  for (const secret of [NEW_SECRET, OLD_SECRET]) {
    await using node = await serve(await tlsOf([secret]));
    assert.is(await ask(node.port, clusterTrust(changing)), 200);
  }
});

test('takes certificates from files, and names the one that is wrong', async () => {
  await using dir = await tempDir();
  await using authority = await createAuthority();
  const { cert, key } = await authority.leaf('IP:127.0.0.1');
  const at = (name: string) => join(dir.path, name);
  await Promise.all([writeFile(at('node.crt'), cert), writeFile(at('node.key'), key)]);
  const CertConfig = { CertPath: at('node.crt'), KeyPath: at('node.key'), CAPath: authority.certFile };
  const tls = await tlsOf([], { CertConfig });
  await using node = await serve(tls);
  assert.is(await ask(node.port, clusterTrust(tls)), 200);
  const missing = await rejects(
    'CONFIG_INVALID',
    tlsOf([], { CertConfig: { ...CertConfig, KeyPath: at('no') } }),
  );
  assert.match(missing.message, 'P2PConfig.CertConfig.KeyPath: cannot be read');
  const swapped = tlsOf([], { CertConfig: { ...CertConfig, KeyPath: at('node.crt') } });
  assert.match((await rejects('CONFIG_INVALID', swapped)).message, 'P2PConfig.CertConfig: ');
});

test('asks others for a certificate where it is told to, and hangs up on whoever has none of the cluster', async () => {
  const tls = await tlsOf([NEW_SECRET], { CertConfig: { VerifyClients: true } });
  await using node = await serve(tls);
  assert.is(await ask(node.port, clusterTrust(await tlsOf([NEW_SECRET]))), 200);
  const outsider = await tlsOf([OLD_SECRET]);
  // Each believes the node, so that it is the node that refuses.
  for (const shown of [{}, { cert: outsider.cert, key: outsider.key }]) {
    assert.is(await statusOf({ port: node.port, ca: tls.ca, ...shown }), 'hung up');
  }
  await using ownHost = await serve(tls, () => true);
  assert.is(await statusOf({ port: ownHost.port, ca: tls.ca }), 'served');
});

/** What comes of a request on a connection of one's own making. */
function statusOf(options: ConnectionOptions): Promise<'served' | 'hung up'> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = connect({ host: '127.0.0.1', ...options }, () => {
      socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    });
    socket.on('data', (data) => {
      heard += data;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(heard.includes('served') ? 'served' : 'hung up'));
  });
}

test.run();
