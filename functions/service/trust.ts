import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import { P2PError } from '../protocol/errors.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What a node of a cluster speaks TLS with, PEM. */
export interface ClusterTls {
  readonly cert: string;
  readonly key: string;
  /** Authorities that certify nodes. */
  readonly ca: string;
}

/**
 * Whom upstreams' certificates are checked against: the authorities that Node trusts, those in the file `extraCa`, and
 * those of the cluster, to which this node shows a certificate of its own. `undefined` stands for whom Node trusts,
 * when there are no others. `nodeCa` is NODE_EXTRA_CA_CERTS.
 *
 * @throws P2PError CONFIG_INVALID when the file cannot be read, or has anything but certificates in it.
 */
export function loadTrust(
  extraCa: string,
  nodeCa: string | undefined,
  cluster?: ClusterTls,
): SecureContext | undefined {
  const own = [
    ...(extraCa === '' ? [] : readCertificates(extraCa)),
    ...(cluster?.ca.match(CERTIFICATE) ?? []),
  ];
  if (own.length === 0) return undefined;
  const certificates = [...own, ...readNodesOwn(nodeCa)];
  const trust = createSecureContext(cluster && { cert: cluster.cert, key: cluster.key });
  // What the option `ca` is made of. The option itself would take the place of the authorities that Node trusts,
  // which Node 20 cannot list: those of the system are among them where Node was told so.
  for (const certificate of certificates) {
    (trust.context as { addCACert(pem: string): void }).addCACert(certificate);
  }
  return trust;
}

function readCertificates(file: string): readonly string[] {
  try {
    const certificates = readFileSync(file, 'latin1').match(CERTIFICATE) ?? [];
    if (certificates.length === 0) throw new Error('there is no PEM certificate in it');
    for (const pem of certificates) new X509Certificate(pem);
    return certificates;
  } catch (cause) {
    const message = `ExtraCA: ${file}: ${(cause as Error).message}; name a file of PEM certificates of authorities`;
    throw new P2PError('CONFIG_INVALID', message, { cause });
  }
}

/** The certificates that a context of its own leaves out. Of a file that cannot be read Node has warned already. */
function readNodesOwn(file: string | undefined): readonly string[] {
  try {
    return (file && readFileSync(file, 'latin1').match(CERTIFICATE)) || [];
  } catch {
    return [];
  }
}

const UNTRUSTED =
  'no authority that is trusted here has signed its certificate; if one of your own did, name its certificate in ExtraCA';
const WRONG_TIME = 'its certificate is not valid at this time; renew it, or set the clock of this machine';

// OpenSSL's verdicts by the names that Node gives them.
const FAULTS: ReadonlyMap<string, string> = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', UNTRUSTED],
  ['SELF_SIGNED_CERT_IN_CHAIN', UNTRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT', UNTRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', UNTRUSTED],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', UNTRUSTED],
  ['CERT_HAS_EXPIRED', WRONG_TIME],
  ['CERT_NOT_YET_VALID', WRONG_TIME],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for other names; ask for it by one of those'],
  ['INVALID_PURPOSE', 'its certificate is not one for servers; it needs another'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'it does not speak TLS; ask for it by http://, or at another port'],
]);

/** What is wrong with an upstream's TLS and what to do about it; `undefined` when the failure is another. */
export function tlsFault(code: string): string | undefined {
  const fault = FAULTS.get(code);
  return fault === undefined ? undefined : `${fault} (${code})`;
}
