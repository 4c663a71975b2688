import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadAuthority, makeFiles } from '../../../sidecar/tls/authority-files.ts';
import { eachCase } from '../../support/each-case.ts';
import { rejects } from '../../support/rejects.ts';
import { tempDir } from '../../support/temp-dir.ts';

const test = suite('sidecar/tls/authority-files');

const NAMES = ['registry.test'];

async function openDir() {
  const dir = await tempDir();
  const files = { CertPath: join(dir.path, 'ca.crt'), KeyPath: join(dir.path, 'ca.key') };
  return { ...dir, files, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

test('makes both, the key for its owner alone whatever the umask, in folders that it makes', async () => {
  await using dir = await tempDir();
  const files = { CertPath: join(dir.path, 'a/ca.crt'), KeyPath: join(dir.path, 'b/c/ca.key') };
  const umask = process.umask(0);
  try {
    assert.is(await makeFiles(files, NAMES, Date.now()), true);
  } finally {
    process.umask(umask);
  }
  assert.is((await stat(files.KeyPath)).mode & 0o777, 0o600);
  assert.is((await stat(files.CertPath)).mode & 0o777, 0o644);
  const authority = await loadAuthority(files);
  assert.ok(authority?.permits('registry.test'));
  assert.not.ok(authority?.permits('other.test'));
});

test('writes over nothing', async () => {
  await using dir = await openDir();
  await makeFiles(dir.files, NAMES, Date.now());
  const before = await readFile(dir.files.KeyPath, 'utf8');
  assert.is(await makeFiles(dir.files, ['other.test'], Date.now()), false);
  assert.is(await readFile(dir.files.KeyPath, 'utf8'), before);
});

test('leaves no key behind when the certificate cannot be written', async () => {
  await using dir = await openDir();
  const CertPath = join(dir.files.KeyPath, 'ca.crt');
  const error = await rejects('CONFIG_INVALID', makeFiles({ ...dir.files, CertPath }, NAMES, Date.now()));
  assert.match(error.message, 'CertPath cannot be written');
  assert.equal(await readdir(dir.path), []);
});

test('is none when neither file is there', async () => {
  await using dir = await openDir();
  assert.is(await loadAuthority(dir.files), undefined);
});

test('names path and remedy for files that are not what they should be', async () => {
  await using dir = await openDir();
  await using other = await openDir();
  await makeFiles(dir.files, NAMES, Date.now());
  await makeFiles(other.files, NAMES, Date.now());
  const folder = { ...dir.files, KeyPath: dir.path };
  const keyAlone = { CertPath: join(dir.path, 'none.crt'), KeyPath: dir.files.KeyPath };
  await writeFile(join(dir.path, 'text'), 'hello');
  await eachCase(
    {
      'one missing': [keyAlone, `${keyAlone.CertPath} is missing`, 'remove both to make new ones'],
      'the key of another': [
        { ...dir.files, KeyPath: other.files.KeyPath },
        other.files.KeyPath,
        'not that of the certificate',
      ],
      'a folder': [folder, 'KeyPath cannot be read', 'this user may read'],
      'a text': [{ ...dir.files, CertPath: join(dir.path, 'text') }, join(dir.path, 'text'), 'both PEM'],
    } as const,
    async ([files, ...words]) => {
      const error = await rejects('CONFIG_INVALID', loadAuthority(files));
      for (const word of ['ProxyConfig.CertConfig', ...words]) assert.match(error.message, word);
    },
  );
  await rejects('CONFIG_INVALID', makeFiles(keyAlone, NAMES, Date.now()));
});

test.run();
