import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeFiles } from '../../../sidecar/tls/authority-files.ts';
import { programCommand, startNode } from '../../support/node-process.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { PATIENCE_MS } from '../../support/until.ts';

const test = suite('sidecar/cli/generate-cert');

/** Runs `dadip2p --generate-cert` for a folder, and waits for its end. */
async function generate(dir: string, origins: readonly string[] = ['registry.test']) {
  const [command, args] = programCommand();
  const env = {
    ...process.env,
    DADIP2P_Origins: JSON.stringify(origins),
    DADIP2P_ProxyConfig__CertConfig__CertPath: join(dir, 'ca.crt'),
    DADIP2P_ProxyConfig__CertConfig__KeyPath: join(dir, 'ca.key'),
  };
  const options = { env, signal: AbortSignal.timeout(PATIENCE_MS) };
  return promisify(execFile)(command, [...args, '--generate-cert'], options).then(
    ({ stdout }) => ({ out: stdout, err: '' }),
    (error: { stderr: string }) => ({ out: '', err: error.stderr }),
  );
}

test('makes both files once, ends, and says each time how clients come to trust them', async () => {
  await using dir = await tempDir();
  const first = await generate(dir.path);
  assert.match(first.out, 'A new authority was made.');
  assert.match(first.out, 'only registry.test, and what is below');
  assert.is((await stat(join(dir.path, 'ca.key'))).mode & 0o777, 0o600);
  const key = await readFile(join(dir.path, 'ca.key'), 'utf8');
  const second = await generate(dir.path);
  assert.match(second.out, 'was there already');
  assert.is(await readFile(join(dir.path, 'ca.key'), 'utf8'), key);
  for (const { out } of [first, second]) {
    const ways = [
      '--cacert',
      'SSL_CERT_FILE',
      '/etc/docker/certs.d/',
      'hosts.toml',
      'update-ca-certificates',
    ];
    for (const way of ways) assert.match(out, way);
    assert.match(out, join(dir.path, 'ca.crt'));
  }
});

test('makes nothing where no host could be certified, and says why', async () => {
  await using dir = await tempDir();
  const { err } = await generate(dir.path, ['http://plain.test']);
  assert.match(err, 'no HTTPS host of Origins');
  assert.equal(await readdir(dir.path), []);
});

test('makes them, with -c, for the node that then runs', async () => {
  await using dir = await tempDir();
  const CertConfig = { CertPath: join(dir.path, 'ca.crt'), KeyPath: join(dir.path, 'ca.key') };
  const settings = { Origins: ['registry.test'], ProxyConfig: { CertConfig } };
  await using node = await startNode({ settings, args: ['--generate-cert'] });
  assert.match(node.output(), 'A new authority was made.');
  assert.equal((await readdir(dir.path)).sort(), ['ca.crt', 'ca.key']);
  assert.equal(node.logs('https_tunnelled'), []);
});

test('a key that is not that of the certificate stops a node at its start, by path and remedy', async () => {
  await using dir = await tempDir();
  await using other = await tempDir();
  for (const { path } of [dir, other]) {
    const files = { CertPath: join(path, 'ca.crt'), KeyPath: join(path, 'ca.key') };
    await makeFiles(files, ['registry.test'], Date.now());
  }
  const CertConfig = { CertPath: join(dir.path, 'ca.crt'), KeyPath: join(other.path, 'ca.key') };
  const settings = { Origins: ['registry.test'], ProxyConfig: { CertConfig } };
  const error = await startNode({ settings }).then(
    () => 'it runs',
    (error: Error) => error.message,
  );
  assert.match(error, `ProxyConfig.CertConfig: ${CertConfig.CertPath} and ${CertConfig.KeyPath}: `);
  assert.match(error, 'not that of the certificate');
});

test.run();
