import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { type EveryWay, startEveryWay, type Way } from '../support/every-way.ts';
import { aria2, curl, wget } from '../support/file-clients.ts';
import { need } from '../support/programs.ts';
import { shared } from '../support/shared.ts';
import { tempDir } from '../support/temp-dir.ts';

const NAME = 'system/file-clients';
const suiteOf = suite(NAME);
const test = need(suiteOf, NAME, 'curl', 'wget', 'aria2c', 'openssl');

// As many pieces as aria2 has connections, of the least size that it splits at.
const BYTES = blobOf(9_000_000, 'file-clients');
const DIGEST = sha256(BYTES);
const FRESH = { headers: { 'cache-control': 'max-age=600' } };

const everyWay = shared<EveryWay>(suiteOf, startEveryWay);
const digestOf = async (file: string) => sha256(await readFile(file));

const NAMES = ['forward proxy', 'intercepted', 'prefix', 'reverse by path', 'reverse by host', 'redirect'];
const named = ({ ways }: EveryWay, name: string): Way => {
  const way = ways.find((each) => each.name === name);
  assert.ok(way, name);
  return way as Way;
};

test('knows every way by its name', async () => {
  assert.equal(
    (await everyWay()).ways.map(({ name }) => name),
    NAMES,
  );
});

for (const name of NAMES) {
  test(`${name}: curl, wget and aria2c -x8 have the right bytes, accelerated and passed`, async () => {
    const all = await everyWay();
    const way = named(all, name);
    await using dir = await tempDir();
    for (const path of [`/${name.replaceAll(' ', '-')}.bin`, '/page']) {
      all.origin.put(path, BYTES, FRESH);
      const [one, two, three] = ['curl', 'wget', 'aria2'].map((client) => `${client}-${path.slice(1)}`) as [
        string,
        string,
        string,
      ];
      assert.is((await curl(way, path, '--output', join(dir.path, one))).code, 0);
      assert.is((await wget(way, path, join(dir.path, two))).code, 0);
      assert.is((await aria2(way, path, dir.path, three)).code, 0);
      for (const file of [one, two, three]) assert.is(await digestOf(join(dir.path, file)), DIGEST, file);
    }
  });

  test(`${name}: curl -C - goes on where it stopped, and finds nothing to do at the end`, async () => {
    const all = await everyWay();
    const way = named(all, name);
    await using dir = await tempDir();
    for (const path of ['/resumed.bin', '/resumed']) {
      all.origin.put(path, BYTES, FRESH);
      const file = join(dir.path, path);
      await writeFile(file, BYTES.subarray(0, 3_333_333));
      const { code, out } = await curl(way, path, '-C', '-', '--output', file, '--write-out', '%{http_code}');
      assert.is(code, 0);
      assert.is(out.toString(), '206');
      assert.is(await digestOf(file), DIGEST);
    }
  });
}

/** What an origin says to each request, and what of it has to arrive. */
const REFUSALS = [
  { status: 401, headers: { 'www-authenticate': 'Basic realm="it"' } },
  { status: 403, headers: { 'x-reason': 'because' } },
  { status: 404, headers: { 'cache-control': 'no-store' } },
  { status: 416, headers: { 'content-range': 'bytes */5' } },
  { status: 429, headers: { 'retry-after': '17' } },
] as const;

for (const { status, headers } of REFUSALS) {
  for (const name of [...NAMES, 'mirror']) {
    test(`${name}: ${status} arrives as the origin sent it`, async () => {
      const all = await everyWay();
      const way = name === 'mirror' ? all.mirror : named(all, name);
      const hex = sha256(Buffer.from(`${name} ${status}`));
      const body = `the origin's own words of ${status}\n`;
      // The mirror has nothing beside /v2/.
      const paths = [`/v2/x/blobs/sha256:${hex}`, `/page-${hex}`].slice(0, name === 'mirror' ? 1 : 2);
      for (const path of paths) {
        all.origin.route(path, (_, response) => {
          const said = { ...headers, 'content-type': 'text/x-own', 'content-length': body.length };
          response.writeHead(status, said).end(body);
        });
        const range = status === 416 ? ['--range', '10-20'] : [];
        const { out } = await curl(way, path, '--write-out', '\n%{http_code} %{header_json}', ...range);
        const [, got, code, said] = /^(.*\n)\n(\d+) (.*)$/s.exec(out.toString()) ?? [];
        assert.is(got, body, path);
        assert.is(Number(code), status, path);
        const heard = JSON.parse(said ?? '{}') as Record<string, string[]>;
        for (const [header, value] of Object.entries(headers)) assert.equal(heard[header], [value], path);
        assert.equal(heard['content-type'], ['text/x-own']);
      }
    });
  }
}

test.run();
