// @peculiar/x509 finds its parts by metadata on classes.
import 'reflect-metadata';
import { createECDH, createHash, createPrivateKey, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { deriveBytes } from '../../functions/service/cluster-keys.ts';

// Order of the group of P-256 (FIPS 186-4, D.1.2.3).
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
// Sixteen bytes more than a key has, so that no key is likelier than another (FIPS 186-4, B.4.1).
const SEED_BYTES = 48;
// What no clock of a node is outside of; whoever changes the secret has another authority.
const NOT_BEFORE = new Date('2024-01-01T00:00:00Z');
const NOT_AFTER = new Date('2074-01-01T00:00:00Z');

/**
 * The authority of the nodes that share a secret, PEM: name and key are the same on all of them, and whoever has not the
 * secret can certify nothing by it.
 */
export async function clusterAuthority(
  secret: string,
): Promise<{ readonly cert: string; readonly key: string }> {
  const seed = BigInt(`0x${deriveBytes(secret, 'authority', SEED_BYTES).toString('hex')}`);
  const secretPart = Buffer.from(((seed % (ORDER - 1n)) + 1n).toString(16).padStart(64, '0'), 'hex');
  const curve = createECDH('prime256v1');
  curve.setPrivateKey(secretPart);
  const point = curve.getPublicKey();
  const publicPart = {
    kty: 'EC',
    crv: 'P-256',
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  };
  const jwk = { ...publicPart, d: secretPart.toString('base64url') };
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const keys = {
    privateKey: await webcrypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign']),
    publicKey: await webcrypto.subtle.importKey('jwk', publicPart, algorithm, true, ['verify']),
  };
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=DadiP2P cluster ${createHash('sha256').update(point).digest('hex').slice(0, 16)}, O=DadiP2P`,
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const key = createPrivateKey({ key: jwk, format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' });
  return { cert: `${certificate.toString('pem')}\n`, key: key as string };
}
