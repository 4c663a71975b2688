import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);

/** What `openssl verify` says of a certificate under an authority, both PEM: `OK`, or what is wrong. */
export async function opensslVerdict(authority: string, certificate: string): Promise<string> {
  await using dir = await tempDir();
  const file = (name: string) => join(dir.path, name);
  await writeFile(file('ca.crt'), authority);
  await writeFile(file('leaf.crt'), certificate);
  const args = ['verify', '-no-CApath', '-purpose', 'sslserver', '-CAfile', file('ca.crt'), file('leaf.crt')];
  try {
    const { stdout } = await run('openssl', args);
    return stdout.replace(/^.*: /, '').trim();
  } catch (error) {
    return (
      /error \d+ at \d+ depth lookup: (.*)/.exec((error as { stderr: string }).stderr)?.[1] ?? String(error)
    );
  }
}

/** A certificate as `openssl x509 -text` shows it. */
export async function opensslText(certificate: string): Promise<string> {
  await using dir = await tempDir();
  await writeFile(join(dir.path, 'x.crt'), certificate);
  const { stdout } = await run('openssl', ['x509', '-noout', '-text', '-in', join(dir.path, 'x.crt')]);
  return stdout;
}
