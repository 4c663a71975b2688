import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import { P2PError } from '../../functions/protocol/errors.ts';
import type { Settings } from '../../functions/service/config/settings.ts';
import { bareHost } from '../../functions/service/host-pattern.ts';
import type { ClusterTls } from '../../functions/service/trust.ts';

/** What the P2P port is served with. */
export interface NodeTls extends ClusterTls {
  /** Whether others have to show a certificate too. */
  readonly verifyClients: boolean;
}

// By which programs on the host reach the node.
const OWN_HOST = ['localhost', '127.0.0.1', '::1'];

/**
 * What the P2P port speaks TLS with; `undefined` where it speaks plain HTTP. `self` is its URL.
 *
 * @throws P2PError CONFIG_INVALID when a file of P2PConfig.CertConfig is not what it should be.
 */
export async function openNodeTls(
  { P2PConfig, Secret }: Settings,
  self: string,
  nowMs: number,
): Promise<NodeTls | undefined> {
  const { ServeBySSL, CertConfig } = P2PConfig;
  if (!ServeBySSL) return undefined;
  const verifyClients = CertConfig.VerifyClients;
  if (CertConfig.CertPath !== '') return { ...(await readFiles(CertConfig)), verifyClients };
  // What encodes certificates takes a quarter of a second to load.
  const { clusterAuthority } = await import('./cluster-authority.ts');
  const { Authority } = await import('./authority.ts');
  const authorities = await Promise.all(Secret.map(clusterAuthority));
  const [first] = authorities;
  if (first === undefined) throw invalid('ServeBySSL', 'takes a Secret');
  const hosts = [...new Set([bareHost(new URL(self).hostname), ...OWN_HOST])];
  const leaf = await (await Authority.of(first.cert, first.key)).issueForNode(hosts, nowMs);
  const ca = authorities.map(({ cert }) => cert).join('');
  return { cert: leaf.cert, key: leaf.key, ca, verifyClients };
}

/** For whom the cluster's authorities alone count: siblings. */
export const clusterTrust = ({ ca, cert, key }: NodeTls): SecureContext =>
  createSecureContext({ ca, cert, key });

async function readFiles({ CertPath, KeyPath, CAPath }: Settings['P2PConfig']['CertConfig']) {
  const tls = {
    cert: await read('CertPath', CertPath),
    key: await read('KeyPath', KeyPath),
    ca: await read('CAPath', CAPath),
  };
  try {
    createSecureContext(tls);
    return tls;
  } catch (cause) {
    const message = `${CertPath}, ${KeyPath} and ${CAPath}: ${(cause as Error).message}; name a certificate, its key, and its authority's certificate, all PEM`;
    throw invalid('CertConfig', message, cause);
  }
}

async function read(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch (cause) {
    const message = `cannot be read: ${(cause as Error).message}; name a file that this user may read`;
    throw invalid(`CertConfig.${setting}`, message, cause);
  }
}

const invalid = (setting: string, message: string, cause?: unknown): P2PError =>
  new P2PError('CONFIG_INVALID', `P2PConfig.${setting}: ${message}`, { cause });
