import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dadip2p } from '../support/run-program.ts';
import { tempDir } from '../support/temp-dir.ts';

const test = suite('sidecar/main');

test('shows its help when it is given nothing, and on --help', async () => {
  for (const args of [[], ['--help']]) {
    const { code, out } = await dadip2p(...args);
    assert.is(code, 0);
    for (const flag of ['-c, --cfgFile FILE', '--generate-cert', '--allow ORIGIN', '--s3 ENDPOINT']) {
      assert.match(out, flag);
    }
  }
});

test("a command's own help shows its flags alone", async () => {
  const { code, out } = await dadip2p('start', '--help');
  assert.is(code, 0);
  assert.match(out, '--allow ORIGIN');
  assert.not.match(out, '--generate-cert');
});

test('shows its version', async () => {
  const { code, out } = await dadip2p('--version');
  assert.is(code, 0);
  assert.match(out, /^\d+\.\d+\.\d+\n$/);
});

test('prints every fault of a configuration and ends with code 1', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'bad.yaml');
  await writeFile(file, 'LogLevel: loud\nP2PConfig:\n  Port: 70000\n  Prot: 1\n');
  const { code, out, err } = await dadip2p('-c', file);
  assert.is(code, 1);
  assert.is(out, '');
  assert.match(err, `dadip2p: ${file}: 3 faults\n`);
  assert.match(
    err,
    '  LogLevel: must be one of trace, debug, info, warn, error, panic, got "loud" (line 1)\n',
  );
  assert.match(err, '  P2PConfig.Port: must be ≤ 65535, got 70000 (line 3)\n');
  assert.match(err, '  P2PConfig.Prot: unknown key; did you mean P2PConfig.Port? (line 4)\n');
});

test('a flag wins over the file, and is named in its fault', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'node.yaml');
  await writeFile(file, 'P2PConfig:\n  Port: 1\n');
  const { code, err } = await dadip2p('--cfgFile', file, '--p2p-port', 'ninety', '-l', 'loud');
  assert.is(code, 1);
  assert.match(err, 'P2PConfig.Port: must be a whole number, got "ninety" (--p2p-port)');
  assert.match(err, '(--log-level)');
});

// The arguments, and what is said of them.
const MISUSES: readonly [args: string[], remedy: string][] = [
  [['-c', '/no/such.yaml'], '/no/such.yaml: 1 fault\n  cannot be read: there is no such file'],
  [['--p2p-prot', '1'], 'unknown flag --p2p-prot; did you mean --p2p-port?'],
  [['start', '--alow', 'a'], 'unknown flag --alow; did you mean --allow?'],
  [['start', '--dir', '--s3', 'x'], '--dir needs a value: --dir DIR'],
  [['-c'], '-c needs a value: -c FILE'],
  [['-z'], 'unknown flag -z'],
  [['--generate-cert=yes'], '--generate-cert takes no value'],
  [['strat'], 'unknown command strat; did you mean dadip2p start?'],
  [['start', 'now'], 'unknown command now'],
  [['--p2p-port', '1'], 'no configuration given: dadip2p -c FILE'],
  [['start', '--allow', 'ftp://a'], 'Origins[1]: must be scheme://host[:port] without a path'],
  [['start', '--p2p-port', '70000'], 'P2PConfig.Port: must be ≤ 65535, got 70000 (--p2p-port)'],
  [['sweep', '--token', 't'], 'no root: say --root URL, or P2PConfig.RootList'],
  [['sweep', '--root', 'http://[', '--token', 't'], '--root: http://[ is no host:port and no URL'],
  [['cost', '--root', '127.0.0.1:1'], 'no token: say --token TOKEN, or DADIP2P_Admin__Tokens'],
  [['purge', '--root', '127.0.0.1:1', '--token', 't'], 'say one of --blob, --repository and --origin'],
  [['purge', 'alpine'], 'unknown command alpine'],
];

for (const [args, remedy] of MISUSES) {
  test(`answers "dadip2p ${args.join(' ')}" with what to do instead`, async () => {
    const { code, out, err } = await dadip2p(...args);
    assert.is(code, 1);
    assert.is(out, '');
    assert.match(err, remedy);
    assert.not.match(err, /\n {4}at /);
  });
}

test.run();
