// @peculiar/x509 finds its parts by metadata on classes.
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { exportKey, generateKeys } from './authority.ts';
import { constrainTo } from './name-constraints.ts';

const DAY_MS = 86_400_000;
// Clients whose clocks are behind should believe a certificate that is new.
const BACKDATED_MS = 3_600_000;
// To change it takes a visit to each client that trusts it; what it may certify is bounded by its constraints.
const LIFE_MS = 5 * 365 * DAY_MS;

/**
 * A new authority, PEM: its name and serial number are no other's, and it can certify nothing but servers of these
 * hosts and those below them.
 */
export async function makeAuthority(
  names: readonly string[],
  nowMs: number,
): Promise<{ readonly cert: string; readonly key: string }> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=DadiP2P CA ${randomBytes(8).toString('hex')}, O=DadiP2P`,
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(nowMs + LIFE_MS),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      constrainTo(names),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: `${certificate.toString('pem')}\n`, key: await exportKey(keys) };
}
