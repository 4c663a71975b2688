import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseManifests, parsePlatform, readManifest } from '../../../../functions/root/warm/manifest.ts';
import { eachCase } from '../../../support/each-case.ts';
import { throws } from '../../../support/rejects.ts';

const test = suite('functions/root/warm/manifest');

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const read = (manifest: unknown) => readManifest(JSON.stringify(manifest), 'reg.test/a');

test('an image is its configuration and its layers, without those that registries do not have', () => {
  const layer = { digest: digest('b'), size: 2, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' };
  const foreign = { ...layer, mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' };
  const config = { digest: digest('a'), size: 1 };
  assert.equal(read({ config, layers: [layer, foreign] }), { kind: 'image', blobs: [config, layer] });
});

test('an artifact is its blobs', () => {
  const blobs = [{ digest: digest('a'), size: 1 }];
  assert.equal(read({ blobs }), { kind: 'image', blobs });
});

test('what is no manifest of these is refused', () =>
  eachCase(
    {
      'no JSON': '{',
      null: 'null',
      'schema 1': '{"schemaVersion":1,"fsLayers":[{"blobSum":"sha256:a"}]}',
      'no size': `{"layers":[{"digest":"${digest('a')}"}]}`,
      'a negative size': `{"layers":[{"digest":"${digest('a')}","size":-1}]}`,
      'a digest that climbs': '{"layers":[{"digest":"sha256:../../../etc/passwd","size":1}]}',
      'no list': '{"layers":{}}',
      'a digest that is no text': '{"layers":[{"digest":{"toString":1},"size":1}]}',
      'a media type that is no text': `{"layers":[{"digest":"${digest('a')}","size":1,"mediaType":{"toString":1}}]}`,
      'a platform that is none': `{"manifests":[{"digest":"${digest('a')}","size":1,"platform":{"os":{"toString":1}}}]}`,
    },
    (text) => void throws('UPSTREAM_MISMATCHED', () => readManifest(text, 'reg.test/a')),
  ));

test('a platform without a variant stands for all its variants, one with a variant for that alone', () => {
  const platforms = ['linux/amd64', 'linux/arm/v6', 'linux/arm/v7', 'windows/amd64', 'unknown/unknown'];
  const manifests = platforms.map((name, n) => ({
    digest: digest(String(n)),
    size: 1,
    platform: parsePlatform(name) ?? { os: '', architecture: '' },
  }));
  const chosen = (...names: string[]) =>
    chooseManifests(
      manifests,
      names.flatMap((name) => parsePlatform(name) ?? []),
    ).map(({ digest }) => platforms[Number(digest.at(-1))]);
  assert.equal(chosen('linux/arm'), ['linux/arm/v6', 'linux/arm/v7']);
  assert.equal(chosen('linux/arm/v7', 'windows/amd64'), ['linux/arm/v7', 'windows/amd64']);
  assert.equal(chosen('linux/s390x'), []);
});

test('takes for no platform what is none', () => {
  for (const text of ['linux', '', 'linux/', '/amd64', 'linux/arm/v7/x', 'Linux/amd64', 'linux amd64']) {
    assert.is(parsePlatform(text), undefined, text);
  }
});

test.run();
