import { resolve } from 'node:path';
import { P2PError } from '../../functions/protocol/errors.ts';
import type { Settings } from '../../functions/service/config/settings.ts';
import { makeFiles } from '../tls/authority-files.ts';
import { hostsOf } from '../tls/intercepted-hosts.ts';
import type { World } from './command.ts';

/**
 * What `--generate-cert` does before a node runs, or alone: makes the authority of `CertConfig` unless it is there,
 * and prints how clients come to trust it. With `isQuiet` it prints only of a new one.
 *
 * @throws P2PError CONFIG_INVALID when the files cannot be made, or there is no host to make them for.
 */
export async function generateCert(settings: Settings, world: World, isQuiet: boolean): Promise<void> {
  const { CertConfig } = settings.ProxyConfig;
  const { names } = hostsOf(settings);
  if (names.length === 0) {
    const why = 'no HTTPS host of Origins has a rule that accelerates, and "*" is no host';
    throw new P2PError(
      'CONFIG_INVALID',
      `--generate-cert: ${why}; list hosts there, or name them in Hosts of a rule`,
    );
  }
  const isNew = await makeFiles(CertConfig, names, Date.now());
  if (isNew || !isQuiet) world.print(formatGuide(settings, names, isNew));
}

function formatGuide({ ProxyConfig }: Settings, names: readonly string[], isNew: boolean): string {
  const cert = resolve(ProxyConfig.CertConfig.CertPath);
  const key = resolve(ProxyConfig.CertConfig.KeyPath);
  const proxy = `http://127.0.0.1:${ProxyConfig.Port}`;
  const constrained = `It can certify only ${names.join(', ')}, and what is below those that are names.`;
  return `${isNew ? 'A new authority was made.' : 'The authority was there already, and is left as it is.'}

  certificate  ${cert} is for clients to trust
  key          ${key} stays here: who has it can pose as these hosts
${isNew ? `\n${constrained}\n` : ''}
Clients trust it, each in a way of its own:

  curl         curl --proxy ${proxy} --cacert ${cert} https://…
  dockerd      cat ${cert} /etc/ssl/certs/ca-certificates.crt > /etc/dadip2p-bundle.crt, and in its
               environment SSL_CERT_FILE=/etc/dadip2p-bundle.crt HTTPS_PROXY=${proxy};
               or for one registry: cp ${cert} /etc/docker/certs.d/HOST:PORT/ca.crt
  containerd   ca = "${cert}" in the hosts.toml of a registry; or as dockerd
  all others   Debian: cp ${cert} /usr/local/share/ca-certificates/dadip2p.crt && update-ca-certificates
               Fedora: cp ${cert} /etc/pki/ca-trust/source/anchors/dadip2p.crt && update-ca-trust

"dadip2p setup" does this for docker, containerd and podman.`;
}
