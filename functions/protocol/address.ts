import { type Digest, parseDigest } from './digest.ts';
import { P2PError } from './errors.ts';
import { scopeOf } from './scope.ts';

/** Where a blob comes from and what makes it the same blob. */
export interface Address {
  /** The origin URL exactly as asked, signature parameters included: what the origin is sent. */
  readonly url: string;
  /** `scheme://host:port` of the origin, default ports left out. */
  readonly origin: string;
  /** Set when the URL itself names the content: one copy whatever host or signature served it. */
  readonly digest: Digest | undefined;
  /** True for a registry's manifest by digest: small, and nothing without its media type. */
  readonly isManifest: boolean;
  /** The URL without the parameters that sign it: the identity of a blob that has no digest. */
  readonly identity: string;
  /** What a right to read this covers: the whole repository for a registry's content, else this identity alone. */
  readonly scope: string;
  /** True when the URL carries a signature or token: whoever has it may read, others perhaps not. */
  readonly signed: boolean;
  /** True when the bytes behind the URL never change: what is cached of it is not asked about again. */
  readonly isImmutable: boolean;
  /** Smaller blobs are not worth keeping, bytes. */
  readonly minBytes: number;
}

/** What a rule knows of a URL beyond what it shows. */
export interface AddressHints {
  /** The digest that the URL names, 64 hex digits. */
  readonly sha256?: string | undefined;
  /** Query parameters that do not choose the content; `true` for all of them. */
  readonly ignoreQuery?: boolean | readonly string[] | undefined;
  readonly isImmutable?: boolean | undefined;
  readonly minBytes?: number | undefined;
}

/**
 * Query parameters that sign or date a URL and do not choose its content, by provider: S3 and its kin,
 * Google, CloudFront, Azure SAS, Aliyun OSS (whose x-oss-process does choose content), and plain tokens.
 */
const VOLATILE_PARAMETER =
  /^(?:x-(?:amz|goog)-.*|x-oss-(?!process$).*|awsaccesskeyid|ossaccesskeyid|googleaccessid|signature|expires|policy|key-pair-id|sig|se|sp|sv|sr|st|spr|skoid|sktid|skt|ske|sks|skv|token|security-token)$/i;

// What makes a URL a signed one. Only there are the others volatile: on an ordinary URL, `sp` or `expires` may
// well choose the content.
const SIGNATURE_PARAMETER =
  /^(?:x-(?:amz|goog|oss)-signature|signature|sig|token|x-amz-security-token|security-token)$/i;

// An OCI blob, `…/blobs/sha256:<hex>`, an OCI manifest, `/v2/…/manifests/sha256:<hex>`, and DADI's on-demand form,
// `…/v2/blobs/sha256/<aa>/<hex>/data`.
const OCI_BLOB = /\/blobs\/(sha256:[0-9a-f]{64})$/;
const OCI_MANIFEST = /^\/v2\/.+\/manifests\/(sha256:[0-9a-f]{64})$/;
const DADI_BLOB = /\/v2\/blobs\/sha256\/([0-9a-f]{2})\/([0-9a-f]{64})\/data$/;

// A segment `..` as any server may read it: dots and slashes encoded, slashes the other way round. `%2f` by itself is
// common (npm's scoped packages) and left alone.
const CLIMBS = /(?:[/\\]|%2f|%5c)(?:\.|%2e){2}(?:[/\\]|%2f|%5c|$)|%00/i;

/**
 * The address an absolute http or https URL stands for.
 *
 * @throws P2PError ADDRESS_INVALID for anything else, for a URL that carries a user or password, and for a path that
 * climbs (`..`, however it is encoded) or holds NUL.
 */
export function parseAddress(url: string): Address {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    throw new P2PError('ADDRESS_INVALID', `"${redact(url)}" is not an absolute http:// or https:// URL`);
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw new P2PError(
      'ADDRESS_INVALID',
      'an origin URL carries no user or password; send an Authorization header',
    );
  }
  if (CLIMBS.test(url.split(/[?#]/, 1)[0] ?? '')) {
    throw new P2PError(
      'ADDRESS_INVALID',
      `"${redact(url)}": the path holds ".." or NUL, which servers read differently`,
    );
  }
  parsed.hash = '';
  const parameters = parsed.search
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '');
  const signed = parameters.some((pair) => SIGNATURE_PARAMETER.test(nameOf(pair)));
  const identity = identityOf(parsed, parameters, signed);
  return {
    url: parsed.href,
    origin: parsed.origin,
    digest: digestOf(parsed.pathname),
    isManifest: OCI_MANIFEST.test(parsed.pathname),
    identity,
    scope: scopeOf(identity),
    signed,
    isImmutable: false,
    minBytes: 0,
  };
}

/** The address as a rule makes it: what identifies the blob changes, what the origin is sent does not. */
export function withHints(address: Address, hints: AddressHints): Address {
  const { sha256, ignoreQuery = false, isImmutable = false, minBytes = 0 } = hints;
  const identity = withoutQuery(address.identity, ignoreQuery);
  const digest = address.digest ?? (sha256 === undefined ? undefined : parseDigest(`sha256:${sha256}`));
  return {
    ...address,
    digest,
    identity,
    scope: identity === address.identity ? address.scope : scopeOf(identity),
    // What a digest names is proven, not believed.
    isImmutable: isImmutable && digest === undefined,
    minBytes,
  };
}

function withoutQuery(identity: string, ignored: boolean | readonly string[]): string {
  const at = identity.indexOf('?');
  if (at === -1 || ignored === false) return identity;
  const path = identity.slice(0, at);
  const parameters = identity.slice(at + 1).split('&');
  const kept = ignored === true ? [] : parameters.filter((pair) => !ignored.includes(nameOf(pair)));
  return kept.length > 0 ? `${path}?${kept.join('&')}` : path;
}

function digestOf(path: string): Digest | undefined {
  const oci = (OCI_BLOB.exec(path) ?? OCI_MANIFEST.exec(path))?.[1];
  if (oci !== undefined) return parseDigest(oci);
  const dadi = DADI_BLOB.exec(path);
  // The two digits repeat the hash's beginning; where they do not, the path means something else.
  return dadi?.[2]?.startsWith(dadi[1] ?? '-') ? parseDigest(`sha256:${dadi[2]}`) : undefined;
}

const nameOf = (pair: string): string => pair.split('=', 1)[0] ?? '';

function identityOf(url: URL, parameters: readonly string[], signed: boolean): string {
  const kept = signed ? parameters.filter((pair) => !VOLATILE_PARAMETER.test(nameOf(pair))) : parameters;
  return `${url.origin}${url.pathname}${kept.length > 0 ? `?${kept.join('&')}` : ''}`;
}

/**
 * The origin URL in a raw request target `/<apiKey>/<absolute URL>[?query]`. The target is not decoded and
 * its `//` not collapsed; the single slash that some gateways make of it is accepted.
 *
 * @throws P2PError KEY_REFUSED when the first segment is not `apiKey`, ADDRESS_INVALID when no URL follows.
 * @see overlaybd p2pConfig.address, DadiP2P p2p_server.go — same form, with the bounds checked.
 */
export function parsePrefixTarget(target: string, apiKey: string): Address {
  const prefix = `/${apiKey}/`;
  if (!target.startsWith(prefix)) {
    throw new P2PError(
      'KEY_REFUSED',
      `the path does not start with /<APIKey>/; ask for ${prefix}<origin URL>`,
    );
  }
  return parseAddress(target.slice(prefix.length).replace(/^(https?):\/{1,2}(?=[^/])/i, '$1://'));
}

/** A URL fit for logs and messages: its query, which may hold signatures, and its user are left out. */
export function redact(url: string): string {
  const query = url.indexOf('?');
  const shown = query === -1 ? url : `${url.slice(0, query)}?…`;
  return shown.replace(/[^/\\]+/g, (segment, at: number) => {
    const userEnd = segment.lastIndexOf('@');
    if (userEnd === -1) return segment;
    const scheme = /^https?:/i.exec(segment)?.[0] ?? '';
    const isAuthority =
      scheme !== '' || at === 0 || AUTHORITY_FOLLOWS.test(shown.slice(Math.max(0, at - 7), at));
    return isAuthority ? `${scheme}…${segment.slice(userEnd)}` : segment;
  });
}

// To whoever reads the URL a user may follow any number of slashes, whichever way they lean (WHATWG URL, "special
// authority ignore slashes state"), or no scheme at all, as in CONNECT.
const AUTHORITY_FOLLOWS = /(?:https?:[/\\]|[/\\]{2})$/i;
