import { isIP } from 'node:net';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  id_ce_nameConstraints,
  NameConstraints,
} from '@peculiar/asn1-x509';
import { Extension, type X509Certificate } from '@peculiar/x509';
import ipaddr from 'ipaddr.js';

/**
 * The extension, critical, that lets an authority certify these names alone (RFC 5280 §4.2.1.10): addresses by
 * themselves, host names with all below them, for a constraint on `example.com` cannot leave out `a.example.com`. Of
 * a kind that no name is of, nothing may be certified: a kind that is not mentioned would be free.
 */
export function constrainTo(names: readonly string[]): Extension {
  const addresses = names.filter((name) => isIP(name) !== 0);
  const hosts = names.filter((name) => isIP(name) === 0);
  const permitted = [
    ...hosts.map((dNSName) => ({ dNSName })),
    ...addresses.map((address) => ({ iPAddress: `${address}/${isIP(address) === 4 ? 32 : 128}` })),
  ];
  const excluded = [
    ...(hosts.length === 0 ? [{ dNSName: '' }] : []),
    ...(addresses.length === 0 ? [{ iPAddress: '0.0.0.0/0' }, { iPAddress: '::/0' }] : []),
  ];
  const constraints = new NameConstraints({
    permittedSubtrees: subtrees(permitted),
    ...(excluded.length > 0 && { excludedSubtrees: subtrees(excluded) }),
  });
  return new Extension(id_ce_nameConstraints, true, AsnConvert.serialize(constraints));
}

const subtrees = (names: readonly Partial<GeneralName>[]) =>
  new GeneralSubtrees(names.map((name) => new GeneralSubtree({ base: new GeneralName(name) })));

/** True when a certificate of this authority for the host, a name or an address, would be accepted. */
export type Permits = (host: string) => boolean;

/** What the constraints of an authority's certificate permit; everything when it has none. */
export function readConstraints(certificate: X509Certificate): Permits {
  const extension = certificate.getExtension(id_ce_nameConstraints);
  if (extension === null) return () => true;
  const { permittedSubtrees, excludedSubtrees } = AsnConvert.parse(extension.value, NameConstraints);
  const permitted = basesOf(permittedSubtrees);
  const excluded = basesOf(excludedSubtrees);
  return (host) => {
    const isAddress = isIP(host) !== 0;
    const covers = (base: GeneralName) =>
      isAddress ? coversAddress(base.iPAddress, host) : coversName(base.dNSName, host);
    const ofKind = permitted.filter(
      ({ iPAddress, dNSName }) => (isAddress ? iPAddress : dNSName) !== undefined,
    );
    return (ofKind.length === 0 || ofKind.some(covers)) && !excluded.some(covers);
  };
}

const basesOf = (trees: GeneralSubtrees | undefined): GeneralName[] =>
  [...(trees ?? [])].map(({ base }) => base);

function coversName(constraint: string | undefined, host: string): boolean {
  if (constraint === undefined) return false;
  const name = constraint.toLowerCase();
  // Not of RFC 5280 for names, yet in use: a leading dot stands for what is below alone.
  if (name === '' || name.startsWith('.')) return host.endsWith(name);
  return host === name || host.endsWith(`.${name}`);
}

function coversAddress(constraint: string | undefined, host: string): boolean {
  if (constraint === undefined) return false;
  const [network, bits] = ipaddr.parseCIDR(constraint);
  const address = ipaddr.parse(host);
  return address.kind() === network.kind() && address.match(network, bits);
}
