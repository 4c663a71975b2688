import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HttpClient } from '../../../functions/service/http-client.ts';
import { loadTrust } from '../../../functions/service/trust.ts';
import { createAuthority, type Leaf } from '../../support/authority.ts';
import { eachCase } from '../../support/each-case.ts';
import { rejects, throws } from '../../support/rejects.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { PATIENCE_MS } from '../../support/until.ts';

const test = suite('functions/service/trust');

async function startServer(tls: Leaf) {
  const server = createServer(tls, (_, reply) => void reply.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What comes of asking `url` with this trust. */
async function ask(url: string, extraCa: string): Promise<number> {
  const limits = { connectMs: PATIENCE_MS, firstByteMs: PATIENCE_MS, idleMs: PATIENCE_MS };
  const http = new HttpClient({ ...limits, connections: 1, trust: loadTrust(extraCa, undefined) });
  try {
    const reply = await http.request({ url, method: 'GET', headers: {} }, AbortSignal.timeout(PATIENCE_MS));
    reply.body.discard();
    return reply.status;
  } finally {
    await http.close();
  }
}

test('believes an authority of the file, and one of another file not', async () => {
  await using ours = await createAuthority();
  await using others = await createAuthority();
  await using server = await startServer(await ours.leaf('IP:127.0.0.1'));
  assert.is(await ask(server.url, ours.certFile), 200);
  for (const file of ['', others.certFile]) {
    const error = await rejects('UPSTREAM_UNREACHABLE', ask(server.url, file));
    assert.match(error.message, 'ExtraCA');
    assert.match(error.message, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  }
});

test('names what is wrong with a certificate that a trusted authority signed', async () => {
  await using authority = await createAuthority();
  await using server = await startServer(await authority.leaf('DNS:other.test'));
  const error = await rejects('UPSTREAM_UNREACHABLE', ask(server.url, authority.certFile));
  assert.match(error.message, 'for other names');
});

test('takes all authorities of a file with several, whatever stands between them', async () => {
  await using dir = await tempDir();
  await using first = await createAuthority();
  await using second = await createAuthority();
  const pems = await Promise.all([first, second].map(({ certFile }) => readFile(certFile, 'utf8')));
  const file = join(dir.path, 'both.pem');
  await writeFile(file, `# ours\n${pems.join('\n# and theirs\n')}`);
  for (const authority of [first, second]) {
    await using server = await startServer(await authority.leaf('IP:127.0.0.1'));
    assert.is(await ask(server.url, file), 200);
  }
});

test('adds to whom Node trusts, and lets NODE_TLS_REJECT_UNAUTHORIZED turn nothing off', async () => {
  await using ours = await createAuthority();
  await using nodes = await createAuthority();
  await using strangers = await createAuthority();
  await using first = await startServer(await ours.leaf('IP:127.0.0.1'));
  await using second = await startServer(await nodes.leaf('IP:127.0.0.1'));
  await using third = await startServer(await strangers.leaf('IP:127.0.0.1'));
  // Node reads both variables at its start.
  const program = `
    import { HttpClient } from './functions/service/http-client.ts';
    import { loadTrust } from './functions/service/trust.ts';
    const trust = loadTrust(process.argv[1], process.env.NODE_EXTRA_CA_CERTS);
    const http = new HttpClient({ connectMs: 60000, firstByteMs: 60000, idleMs: 60000, connections: 1, trust });
    for (const url of process.argv.slice(2)) {
      const reply = await http.request({ url, method: 'GET', headers: {} }, AbortSignal.timeout(60000)).catch((error) => error);
      console.log(reply.code ?? reply.status);
    }
    await http.close();`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program, '--'];
  const child = spawn(process.execPath, [...args, ours.certFile, first.url, second.url, third.url], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: nodes.certFile, NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const pieces: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  await once(child, 'close');
  assert.equal(Buffer.concat(pieces).toString().trim().split('\n'), ['200', '200', 'UPSTREAM_UNREACHABLE']);
});

test('is Node’s own choice when no file is named', () => {
  assert.is(loadTrust('', undefined), undefined);
});

test('refuses a file that is not what it should be, by its path', async () => {
  await using dir = await tempDir();
  const broken = (rootCertificates[0] ?? '').replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA');
  await eachCase({ missing: undefined, empty: '', text: 'hello', broken }, async (text, name) => {
    const file = join(dir.path, name);
    if (text !== undefined) await writeFile(file, text);
    const error = throws('CONFIG_INVALID', () => loadTrust(file, undefined));
    assert.match(error.message, `ExtraCA: ${file}: `);
  });
});

test.run();
