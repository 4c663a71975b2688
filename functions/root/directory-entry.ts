import { type Member, parseMember } from '../protocol/member.ts';

/*
 * Who is there is kept in the names of empty objects, beside the chunks:
 *
 *   agents/<zone>/<id>/<weight and url, base64url>
 *
 * so that one listing brings all there is to know of a thousand agents, the time of their last word included. `_` is
 * the zone of those that have none.
 */
const FOLDER = 'agents';
const NO_ZONE = '_';

/** The folder of the entries of a zone, of all zones without one, ending in a slash. */
export const entriesFolder = (zone?: string): string =>
  zone === undefined ? `${FOLDER}/` : `${FOLDER}/${zone === '' ? NO_ZONE : zone}/`;

/** The name of a member's entry. */
export function entryName({ id, url, zone, weight }: Member): string {
  const rest = Buffer.from(`${weight} ${url}`).toString('base64url');
  return `${entriesFolder(zone)}${id}/${rest}`;
}

/** The member that an entry is of; `undefined` for what is no entry of ours. */
export function memberOf(name: string): Member | undefined {
  const [folder, zone, id, rest, ...more] = name.split('/');
  if (folder !== FOLDER || zone === undefined || rest === undefined || more.length > 0) return undefined;
  const [weight, url] = Buffer.from(rest, 'base64url').toString().split(' ');
  return parseMember({ id, url, zone: zone === NO_ZONE ? '' : zone, weight: Number(weight) });
}
