/** An agent of this cluster. */
export interface Member {
  /** Stays with the node over restarts and changes of address. */
  readonly id: string;
  /** `scheme://host:port` of its P2P port, as `URL.origin` writes it. */
  readonly url: string;
  /** Label of where it stands; members of one zone are near each other. Empty when it has none. */
  readonly zone: string;
  /** Its share of the work beside others: a whole number from 1, which is usual, to 100. */
  readonly weight: number;
}

/** An agent says that it is there, or that it goes. */
export interface Announcement extends Member {
  readonly leaving: boolean;
}

/** Where roots are told of agents, and asked for them: POST an announcement, GET `?zone=…`. */
export const AGENTS_PATH = '/api/v1/agents';

const MAX_URL_LETTERS = 128;
const MAX_WEIGHT = 100;
const ID = /^[A-Za-z0-9][A-Za-z0-9-]{7,63}$/;
const ZONE = /^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,62})?$/;

/** True for what may be the label of a zone. */
export const isZone = (text: string): boolean => ZONE.test(text);

/** The member that a value out of JSON describes, or `undefined` when it is not one of a bounded form. */
export function parseMember(value: unknown): Member | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, url, zone, weight } = value as Record<string, unknown>;
  if (typeof id !== 'string' || typeof url !== 'string' || typeof zone !== 'string') return undefined;
  if (!ID.test(id) || !isZone(zone) || !isMemberUrl(url)) return undefined;
  if (!Number.isInteger(weight) || Number(weight) < 1 || Number(weight) > MAX_WEIGHT) return undefined;
  return { id, url, zone, weight: Number(weight) };
}

/** The announcement that a value out of JSON is, or `undefined`. */
export function parseAnnouncement(value: unknown): Announcement | undefined {
  const member = parseMember(value);
  return member && { ...member, leaving: (value as { leaving?: unknown }).leaving === true };
}

/** The members of a list out of JSON, or `undefined` when it is none; entries that are no members are left out. */
export function parseMembers(text: string): Member[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { members } = (value ?? {}) as { members?: unknown };
  return Array.isArray(members) ? members.flatMap((one: unknown) => parseMember(one) ?? []) : undefined;
}

/** Scheme, host and port and nothing else: no user, no path, nothing that would change what is asked there. */
function isMemberUrl(text: string): boolean {
  if (text.length > MAX_URL_LETTERS || !URL.canParse(text)) return false;
  const { origin, protocol } = new URL(text);
  return origin === text && (protocol === 'http:' || protocol === 'https:');
}
