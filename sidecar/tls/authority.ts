// @peculiar/x509 finds its parts by metadata on classes.
import 'reflect-metadata';
import { createPrivateKey, type KeyObject, X509Certificate as NodeCertificate, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { type Permits, readConstraints } from './name-constraints.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
// Clients whose clocks are behind should believe a certificate that is new.
const BACKDATED_MS = HOUR_MS;
const LEAF_MS = 7 * DAY_MS;
// Some clients believe none that is longer (Apple's, of what was issued since 2019).
const NODE_LEAF_MS = 825 * DAY_MS;

const SIGNED_WITH: ReadonlyMap<string, webcrypto.EcKeyImportParams | webcrypto.RsaHashedImportParams> =
  new Map([
    ['ec prime256v1', { name: 'ECDSA', namedCurve: 'P-256' }],
    ['ec secp384r1', { name: 'ECDSA', namedCurve: 'P-384' }],
    ['rsa', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }],
  ]);

/** What a server shows for one host, PEM. */
export interface Leaf {
  /** With the certificates between it and the root of its authority. */
  readonly cert: string;
  readonly key: string;
  readonly notAfterMs: number;
}

/** A certificate authority of which certificate and key are at hand. */
export class Authority {
  readonly notAfterMs: number;
  /** Whether its constraints let it certify a host. */
  readonly permits: Permits;
  readonly #certificate: X509Certificate;
  readonly #chain: string;
  readonly #key: webcrypto.CryptoKey;

  private constructor(certificate: X509Certificate, chain: string, key: webcrypto.CryptoKey) {
    this.notAfterMs = certificate.notAfter.getTime();
    this.permits = readConstraints(certificate);
    this.#certificate = certificate;
    this.#chain = chain;
    this.#key = key;
  }

  /**
   * Of one or more certificates, the authority's first, and its private key, both PEM.
   *
   * @throws Error that says which of them is wrong, and how.
   */
  static async of(certificates: string, key: string): Promise<Authority> {
    const pems = certificates.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    const first = new NodeCertificate(pems[0] ?? certificates);
    const secret = createPrivateKey(key);
    if (!first.checkPrivateKey(secret)) throw new Error('the key is not that of the certificate');
    if (!first.ca) throw new Error('the certificate is not one of an authority (CA:TRUE)');
    // Clients know a root, and take nobody's word for another.
    const chain = pems.filter((pem) => !isRoot(new NodeCertificate(pem))).join('\n');
    return new Authority(new X509Certificate(first.raw), chain, await importKey(secret));
  }

  /** A new certificate and key for a host, a name or an address; of seven days, or until the authority's own end. */
  issue(host: string, nowMs: number): Promise<Leaf> {
    return this.#issue([host], nowMs, LEAF_MS, [ExtendedKeyUsage.serverAuth]);
  }

  /** The same for a node, which is server and client to others, and is shown the next when it starts anew. */
  issueForNode(hosts: readonly string[], nowMs: number): Promise<Leaf> {
    return this.#issue(hosts, nowMs, NODE_LEAF_MS, [
      ExtendedKeyUsage.serverAuth,
      ExtendedKeyUsage.clientAuth,
    ]);
  }

  async #issue(
    hosts: readonly string[],
    nowMs: number,
    lifeMs: number,
    usages: readonly ExtendedKeyUsage[],
  ): Promise<Leaf> {
    const keys = await generateKeys();
    const notAfterMs = Math.min(nowMs + lifeMs, this.notAfterMs);
    const issuer = this.#certificate.getExtension(SubjectKeyIdentifierExtension);
    const certificate = await X509CertificateGenerator.create({
      // Without a common name: it might be taken for a host.
      subject: 'O=DadiP2P',
      issuer: this.#certificate.subjectName,
      notBefore: new Date(nowMs - BACKDATED_MS),
      notAfter: new Date(notAfterMs),
      publicKey: keys.publicKey,
      signingKey: this.#key,
      signingAlgorithm: { name: this.#key.algorithm.name, hash: 'SHA-256' },
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([...usages]),
        new SubjectAlternativeNameExtension(
          hosts.map((host) => ({ type: isIP(host) === 0 ? ('dns' as const) : ('ip' as const), value: host })),
        ),
        ...(issuer === null ? [] : [new AuthorityKeyIdentifierExtension(issuer.keyId)]),
      ],
    });
    return { cert: `${certificate.toString('pem')}\n${this.#chain}`, key: await exportKey(keys), notAfterMs };
  }
}

const isRoot = (certificate: NodeCertificate): boolean => certificate.checkIssued(certificate);

async function importKey(secret: KeyObject): Promise<webcrypto.CryptoKey> {
  const kind = [secret.asymmetricKeyType, secret.asymmetricKeyDetails?.namedCurve].join(' ').trim();
  const algorithm = SIGNED_WITH.get(kind);
  if (algorithm === undefined)
    throw new Error(`a key of the kind ${kind} is not supported; use ECDSA P-256 or RSA`);
  const pkcs8 = secret.export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']);
}

/** A key pair of its own for each certificate: ECDSA, for its handshakes cost a tenth of RSA's. */
export const generateKeys = () =>
  webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);

/** The private key, PEM. */
export async function exportKey({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey));
  return createPrivateKey({ key: der, type: 'pkcs8', format: 'der' }).export({
    type: 'pkcs8',
    format: 'pem',
  }) as string;
}
