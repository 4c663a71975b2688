import { createHash } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Blob } from '../../../../functions/blob/blob.ts';
import type { WarmJob } from '../../../../functions/root/warm/job.ts';
import { resolveJob } from '../../../../functions/root/warm/resolve.ts';

const test = suite('functions/root/warm/resolve');

const PLATFORM = { os: 'linux', architecture: 'amd64' };
const ALL = ['linux/amd64'];
const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const named = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}`;

/** A registry out of a list of manifests, that counts how often each is read. */
class Manifests {
  readonly reads: string[] = [];
  readonly #texts = new Map<string, string>();

  put(manifest: unknown): { digest: string; size: number; platform: object } {
    const text = JSON.stringify(manifest);
    const digest = sha256(text);
    this.#texts.set(digest, text);
    return { digest, size: text.length, platform: PLATFORM };
  }

  resolve(job: Partial<WarmJob>) {
    const whole = { images: [], platforms: ALL, urls: [], digests: [], ...job };
    const parts = {
      reader: {
        open: async (url: string) => this.#open(url),
        digestOf: () => Promise.reject(new Error('no tag was named')),
      },
      store: { has: async () => true },
      registries: { originOf: (name: string) => `https://${name}` },
    };
    return resolveJob(whole, parts, new AbortController().signal);
  }

  #open(url: string): Blob {
    this.reads.push(url);
    const bytes = Buffer.from(this.#texts.get(url.slice(url.lastIndexOf('/') + 1)) ?? '');
    const read = async function* () {
      yield bytes;
    };
    return { facts: { size: bytes.length }, fetchedFrom: undefined, read } as unknown as Blob;
  }
}

const imageOf = ({ digest }: { readonly digest: string }) => `reg.test/a@${digest}`;

test('a list that names the same over and over is read once', async () => {
  const manifests = new Manifests();
  const image = manifests.put({ config: { digest: named(1), size: 1 }, layers: [] });
  const inner = manifests.put({ manifests: new Array(200).fill(image) });
  const outer = manifests.put({ manifests: new Array(200).fill(inner) });
  const { blobs, failures } = await manifests.resolve({ images: [imageOf(outer)] });
  assert.equal(failures, []);
  assert.is(blobs.length, 4);
  assert.is(manifests.reads.length, 3);
});

test('an image that says to be larger than anything is told, and leaves the others alone', async () => {
  const manifests = new Manifests();
  const image = manifests.put({ config: { digest: named(1), size: 1 }, layers: [] });
  const large = manifests.put({
    config: { digest: named(1), size: 1 },
    layers: [{ digest: named(2), size: Number.MAX_SAFE_INTEGER }],
  });
  const layers = Array.from({ length: 20_001 }, (_, n) => ({ digest: named(n + 10), size: 1 }));
  const many = manifests.put({ layers });
  const { blobs, failures } = await manifests.resolve({ images: [large, many, image].map(imageOf) });
  assert.equal(
    failures.map(({ what, code }) => [what, code]),
    [large, many].map((one) => [imageOf(one), 'UPSTREAM_MISMATCHED']),
  );
  assert.is(blobs.length, 2);
});

test('a list of odd platforms is told by those that are some, and prints nothing else', async () => {
  const manifests = new Manifests();
  const odd = [
    null,
    { os: '\u001b[2J', architecture: 'amd64' },
    { os: 'windows', architecture: 'amd64' },
    { os: 'unknown', architecture: 'unknown' },
  ];
  const list = manifests.put({
    manifests: odd.map((platform, n) => ({ digest: named(n), size: 1, platform })),
  });
  const { failures } = await manifests.resolve({ images: [imageOf(list)] });
  assert.equal(
    failures.map(({ message }) => message.split('; ')[1]),
    ['it is for windows/amd64'],
  );
});

test.run();
