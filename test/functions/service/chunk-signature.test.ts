import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ChunkSignatures, type SignedChunk } from '../../../functions/service/chunk-signature.ts';
import { ClusterKeys } from '../../../functions/service/cluster-keys.ts';
import { sha256 } from '../../support/blob-of.ts';
import { NEW_SECRET, OLD_SECRET } from '../../support/secrets.ts';

const test = suite('functions/service/chunk-signature');

const signaturesOf = (secret: string) => new ChunkSignatures(ClusterKeys.of([secret]) as ClusterKeys);

const CHUNK: SignedChunk = { facts: { key: 'ab'.repeat(32), size: 1000, chunkBytes: 64 }, index: 11 };
const DIGEST = sha256(Buffer.from('the chunk'));

test('believes what a node with the secret says of a chunk', () => {
  const lines = signaturesOf(NEW_SECRET).sign(CHUNK, DIGEST);
  assert.match(lines['content-digest'], /^sha-256=:.{43}=:$/);
  assert.is(signaturesOf(NEW_SECRET).verify(CHUNK, lines), DIGEST);
});

test('takes what was signed of one chunk for no other', () => {
  const signatures = signaturesOf(NEW_SECRET);
  const lines = signatures.sign(CHUNK, DIGEST);
  const others: SignedChunk[] = [
    { ...CHUNK, index: 12 },
    { ...CHUNK, index: 1 },
    { ...CHUNK, facts: { ...CHUNK.facts, key: 'cd'.repeat(32) } },
    { ...CHUNK, facts: { ...CHUNK.facts, size: 1001 } },
    { ...CHUNK, facts: { ...CHUNK.facts, chunkBytes: 128 } },
  ];
  for (const other of others) assert.is(signatures.verify(other, lines), undefined, JSON.stringify(other));
});

test('believes no digest that is unsigned, signed by another secret, altered, or of another chunk', () => {
  const signatures = signaturesOf(NEW_SECRET);
  const lines = signatures.sign(CHUNK, DIGEST);
  const { 'x-p2p-signature': mac, 'content-digest': digest } = lines;
  const another = signatures.sign(CHUNK, sha256(Buffer.from('another')));
  const wrong = [
    {},
    { 'content-digest': digest },
    { 'x-p2p-signature': mac },
    signaturesOf(OLD_SECRET).sign(CHUNK, DIGEST),
    { ...lines, 'content-digest': another['content-digest'] },
    { ...lines, 'x-p2p-signature': mac.slice(0, -1) },
    { ...lines, 'x-p2p-signature': mac.slice(0, 22) },
    { ...lines, 'x-p2p-signature': [mac, mac] },
    { ...lines, 'x-p2p-signature': '' },
    { ...lines, 'content-digest': digest.replace('sha-256', 'sha-512') },
  ];
  for (const said of wrong) assert.is(signatures.verify(CHUNK, said), undefined, JSON.stringify(said));
});

test.run();
