/** `sha256:<64 hex digits>`: the name that content itself fixes (OCI image-spec, descriptor.md). */
export type Digest = `sha256:${string}`;

const HEX64 = /^[0-9a-f]{64}$/;

/** A digest out of its text, or `undefined` when it is not a sha-256 in lower-case hex. */
export function parseDigest(text: string): Digest | undefined {
  return text.startsWith('sha256:') && HEX64.test(text.slice(7)) ? (text as Digest) : undefined;
}

/** `sha-256=:<base64>:` (RFC 9530 §2) for a hash given in hex. */
export function formatContentDigest(sha256Hex: string): string {
  const bytes = sha256Hex.match(/../g) ?? [];
  return `sha-256=:${btoa(String.fromCharCode(...bytes.map((hex) => Number.parseInt(hex, 16))))}:`;
}

/** The sha-256 of a Content-Digest header in hex; `undefined` when the header carries none. */
export function parseContentDigest(header: string | undefined): string | undefined {
  const base64 = header?.match(/(?:^|[\s,])sha-256=:([A-Za-z0-9+/]{43}=):/)?.[1];
  if (base64 === undefined) return undefined;
  return Array.from(atob(base64), (char) => char.charCodeAt(0).toString(16).padStart(2, '0')).join('');
}
