import type { Settings } from '../../functions/service/config/settings.ts';
import type { HttpClient } from '../../functions/service/http-client.ts';
import type { Logger } from '../../functions/service/log.ts';
import type { NodeCalls } from '../../functions/service/node-calls.ts';
import { DirectoryClient } from './directory-client.ts';
import { DirectorySiblings } from './directory-siblings.ts';
import { DnsSiblings } from './dns-siblings.ts';
import type { Members } from './member.ts';
import { loadNodeId } from './node-id.ts';
import type { Pace } from './pace.ts';
import { serverResolver, systemResolver } from './resolver.ts';
import { Roster } from './roster.ts';
import { isDnsName, memberAt, parseSiblingName } from './sibling-names.ts';

/** What finding the members takes. */
export interface MembersParts {
  /** This node's address, as others reach it. */
  readonly address: string;
  /** `scheme://host:port` each. */
  readonly roots: readonly string[];
  readonly http: HttpClient;
  /** Absent without a Secret: then no root tells who is there. */
  readonly calls: NodeCalls | undefined;
  readonly log: Logger;
  readonly pace: Pace;
}

/** Starts finding the members, as the settings say; until the first answer the agent is alone. */
export async function openMembers(
  { P2PConfig }: Settings,
  { address, roots, http, calls, log, pace }: MembersParts,
): Promise<Members> {
  const { Siblings, Zone, Weight, DNSServer, CacheConfig } = P2PConfig;
  const scheme = new URL(address).protocol === 'https:' ? 'https:' : 'http:';
  const names = Siblings.map((entry) => parseSiblingName(entry, scheme));
  const wantsDirectory = names.some(({ kind }) => kind === 'directory') && roots.length > 0;
  if (wantsDirectory && calls === undefined) {
    log.info({ remedy: 'set Secret, the same on roots and agents' }, 'siblings_unsought');
  }
  // What only an address is known of is called by that, by all who know it.
  const self =
    wantsDirectory && calls !== undefined
      ? { id: await loadNodeId(CacheConfig.FileCachePath), url: address, zone: Zone, weight: Weight }
      : memberAt(address, Zone);
  const roster = new Roster(self);
  const ended = new AbortController();
  const running: Promise<void>[] = [];
  const run = (source: { run(signal: AbortSignal): Promise<void> }) => running.push(source.run(ended.signal));

  if (wantsDirectory && calls !== undefined) {
    const directories = roots.map((root) => new DirectoryClient({ root, http, calls }));
    run(new DirectorySiblings({ directories, self, found: roster.addSource(), pace, log }));
  }
  const listed = names.flatMap((name) => (name.kind === 'listed' ? [name.url] : []));
  if (listed.length > 0) roster.addSource()(listed.map((url) => memberAt(url, Zone)));
  const resolved = names.filter(isDnsName);
  if (resolved.length > 0) {
    const resolver = DNSServer === '' ? systemResolver() : serverResolver(DNSServer);
    run(
      new DnsSiblings({
        names: resolved,
        resolver,
        scheme,
        zone: Zone,
        found: roster.addSource(),
        pace,
        log,
      }),
    );
  } else if (listed.length > 0 && !listed.includes(address)) {
    // The others then call it by another name than it does itself, or do not know it at all.
    log.warn(
      { self: address, listed, remedy: 'set P2PConfig.NodeIP to what Siblings calls it' },
      'self_not_listed',
    );
  }
  return {
    self,
    list: () => roster.list(),
    byUrl: (url) => roster.byUrl(url),
    async close() {
      ended.abort();
      await Promise.all(running);
    },
  };
}
