import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findExecutable } from './programs.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);

/** A certificate and its key, in PEM, as servers take them. */
export interface Leaf {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** A certificate authority of openssl's making, which nobody trusts by default. */
export interface Authority extends AsyncDisposable {
  /** Its certificate, PEM. */
  readonly certFile: string;
  /** Makes a server's certificate; each name as openssl writes them: `DNS:registry.test`, `IP:127.0.0.1`. */
  leaf(...names: string[]): Promise<Leaf>;
}

/** Makes an authority with ECDSA keys, valid for two days. */
export async function createAuthority(): Promise<Authority> {
  const dir = await tempDir();
  const at = (name: string) => join(dir.path, name);
  const program = findExecutable('openssl') ?? 'openssl';
  // The system's own configuration would add extensions to ours.
  await writeFile(at('openssl.cnf'), '[req]\ndistinguished_name = name\n[name]\n');
  const make = async (name: string, ...args: string[]) => {
    const files = ['-config', at('openssl.cnf'), '-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    await run(program, ['req', '-x509', ...key, ...files, '-subj', `/CN=dadip2p test ${name}`, ...args]);
  };
  const extensions = (...values: string[]) => values.flatMap((value) => ['-addext', value]);
  await make('ca', ...extensions('basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign'));
  let made = 0;
  return {
    certFile: at('ca.crt'),
    async leaf(...names) {
      made += 1;
      const name = `leaf-${made}`;
      const issuer = ['-CA', at('ca.crt'), '-CAkey', at('ca.key')];
      const subject = `subjectAltName=${names.join(',')}`;
      await make(name, ...issuer, ...extensions(subject, 'extendedKeyUsage=serverAuth'));
      return { cert: await readFile(at(`${name}.crt`)), key: await readFile(at(`${name}.key`)) };
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}
