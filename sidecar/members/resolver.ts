import { lookup, Resolver } from 'node:dns/promises';

/** Where names are looked up. Calls fail with whatever it was, for a name without addresses too. */
export interface NameResolver {
  addresses(host: string): Promise<readonly string[]>;
  services(name: string): Promise<readonly { readonly host: string; readonly port: number }[]>;
}

const TRY_MS = 2_000;
const TRIES = 2;

/** What any program on this host gets for a name, its hosts file and search domains included. */
export function systemResolver(): NameResolver {
  const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
  return {
    addresses: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
    // There is no other way to ask the system for SRV: the name has to be a whole one.
    services: (name) => services(resolver, name),
  };
}

/** What one DNS server, `host:port`, says. */
export function serverResolver(server: string): NameResolver {
  const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
  resolver.setServers([server]);
  return {
    async addresses(host) {
      const both = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
      const found = both.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
      // Few names have both; that a server failed for one of them is known by its code.
      const failed = both.find((one) => one.status === 'rejected' && !isMissing(one.reason));
      if (failed?.status === 'rejected') throw failed.reason;
      if (found.length === 0) throw new Error(`${host} has no address`);
      return found;
    },
    services: (name) => services(resolver, name),
  };
}

async function services(resolver: Resolver, name: string) {
  const records = await resolver.resolveSrv(name);
  return records.map(({ name: host, port }) => ({ host, port }));
}

const isMissing = (error: unknown): boolean =>
  ['ENODATA', 'ENOTFOUND'].includes((error as NodeJS.ErrnoException).code ?? '');
