import type { Settings } from '../../functions/service/config/settings.ts';
import type { Logger } from '../../functions/service/log.ts';
import type { Authority } from './authority.ts';
import { loadAuthority, makeFiles } from './authority-files.ts';
import { hostsOf, type InterceptedHosts } from './intercepted-hosts.ts';

// Each client that trusts an authority has to be told of the next one.
const EXPIRY_NOTICE_MS = 60 * 86_400_000;

/** What interception is done with. */
export interface Prepared {
  readonly hosts: InterceptedHosts;
  readonly authority: Authority;
}

/**
 * What this node intercepts HTTPS with, made first where `GenerateCert` says so; `undefined` where HTTPS is tunnelled.
 * Whatever is tunnelled against the settings is told in the log, with what to do about it.
 *
 * @throws P2PError CONFIG_INVALID when the files are not what they should be, or cannot be made.
 */
export async function prepareInterception(
  settings: Settings,
  log: Logger,
  nowMs: number,
): Promise<Prepared | undefined> {
  const { ProxyHTTPS, CertConfig } = settings.ProxyConfig;
  if (!ProxyHTTPS) return undefined;
  const hosts = hostsOf(settings);
  if (hosts.isOpenToAll) {
    const remedy =
      'no authority can be constrained to "*" in Origins: list hosts there, or name them in Hosts of a rule';
    log.warn({ intercepted: hosts.names, remedy }, 'other_https_tunnelled');
  }
  if (hosts.names.length === 0) return undefined;
  if (CertConfig.GenerateCert && (await makeFiles(CertConfig, hosts.names, nowMs))) {
    log.info({ certificate: CertConfig.CertPath, hosts: hosts.names }, 'authority_made');
  }
  const authority = await loadAuthority(CertConfig);
  if (authority === undefined) {
    const remedy = `${CertConfig.CertPath} is missing: make it with --generate-cert, or set ProxyHTTPS: false`;
    log.warn({ remedy }, 'https_tunnelled');
    return undefined;
  }
  warnOfLimits(authority, hosts, log, nowMs);
  return { hosts, authority };
}

function warnOfLimits(
  { notAfterMs, permits }: Authority,
  hosts: InterceptedHosts,
  log: Logger,
  nowMs: number,
) {
  const renew =
    'remove both files of CertConfig, make new ones with --generate-cert, and have clients trust them';
  if (notAfterMs - nowMs < EXPIRY_NOTICE_MS) {
    log.warn({ notAfter: new Date(notAfterMs), remedy: renew }, 'authority_expires');
  }
  const tunnelled = hosts.names.filter((name) => !permits(name));
  if (tunnelled.length > 0) log.warn({ hosts: tunnelled, remedy: renew }, 'hosts_not_permitted');
}
