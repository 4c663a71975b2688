/** Request: proves that a node of the cluster asks, see `NodeToken`. */
export const TOKEN_HEADER = 'x-p2p-token';

/** Reply: what time it is where a token was refused for not being of that time, see `NodeClock`. */
export const CLOCK_HEADER = 'x-p2p-clock';

/** What is done with a token: what reads changes nothing. */
export type TokenUse = 'read' | 'write';

/** What one node says to another by X-P2P-Token. */
export interface NodeToken {
  /** The node that asks: the URL of its P2P port. */
  readonly issuer: string;
  /** Who is asked, so that nobody else can make use of it: `host:port` of an agent, or ROOT_AUDIENCE. */
  readonly audience: string;
  readonly use: TokenUse;
  /** Seconds since the epoch, by the clock of the issuer. */
  readonly expires: number;
}

/** Roots are known by names of many kinds, before which there may be proxies: each takes what is meant for one. */
export const ROOT_AUDIENCE = 'root';

/** What a node says of its clock to whoever showed it a token of another time. */
export interface NodeClock {
  /** Seconds since the epoch. */
  readonly now: number;
  /** The MAC of that token: an answer to one token is worth nothing for another. */
  readonly mac: string;
}

/** A token lives this long; nodes whose clocks differ by more than MAX_SKEW_SECONDS do not believe each other. */
export const TOKEN_LIFE_SECONDS = 60;
export const MAX_SKEW_SECONDS = 300;

/** A clock that is said to be off by more is not believed to be. */
export const MAX_CLOCK_OFFSET_MS = 24 * 3_600_000;

/** Longer ones are not looked at. */
export const MAX_TOKEN_LENGTH = 1024;

/** What of a token is signed, and sent: `v=1; iss=…; aud=…; use=read; exp=…`. */
export const formatToken = ({ issuer, audience, use, expires }: NodeToken): string =>
  `v=1; iss=${issuer}; aud=${audience}; use=${use}; exp=${expires}`;

/** A token with the MAC over it, as the header has them. */
export const formatSigned = (text: string, mac: string): string => `${text}; mac=${mac}`;

/** A text and the MAC that it claims, or `undefined` when it is not of that form. */
export function parseSigned(signed: string): { readonly text: string; readonly mac: string } | undefined {
  const [, text, mac] = /^([\x20-\x7e]+); mac=([\w-]{43})$/.exec(signed) ?? [];
  return text === undefined || mac === undefined ? undefined : { text, mac };
}

/** The token that a text is, or `undefined` when it is none. */
export function parseToken(text: string): NodeToken | undefined {
  const [, issuer, audience, use, expires] =
    /^v=1; iss=([^\s;]+); aud=([^\s;]+); use=(read|write); exp=(\d{1,12})$/.exec(text) ?? [];
  if (issuer === undefined || audience === undefined) return undefined;
  return { issuer, audience, use: use as TokenUse, expires: Number(expires) };
}

/** What of a clock's word is signed, and sent: `v=1; now=…; of=…`. */
export const formatClock = ({ now, mac }: NodeClock): string => `v=1; now=${now}; of=${mac}`;

/** What a text says of a clock, or `undefined` when it is nothing of the kind. */
export function parseClock(text: string): NodeClock | undefined {
  const [, now, mac] = /^v=1; now=(\d{1,12}); of=([\w-]{43})$/.exec(text) ?? [];
  return now === undefined || mac === undefined ? undefined : { now: Number(now), mac };
}

/** How an agent at this URL is meant by a token: `host:port`, whatever the scheme. */
export function audienceOf(url: string): string {
  const { protocol, hostname, port } = new URL(url);
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;
}
