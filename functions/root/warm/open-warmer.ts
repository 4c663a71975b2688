import { randomUUID } from 'node:crypto';
import type { ChunkId } from '../../blob/chunk.ts';
import type { ChunkStore } from '../../blob/store.ts';
import { P2PError } from '../../protocol/errors.ts';
import { Registries } from '../../service/registries.ts';
import { RegistryAuth } from '../../service/registry-auth.ts';
import type { RootCore } from '../root.ts';
import type { Invoke } from './call.ts';
import { JobReader } from './job-reader.ts';
import { Ledger } from './ledger.ts';
import { Warmer } from './warmer.ts';

/** The warming of a root; `lanes` and `invoke` are those of the platform that it runs on. */
export function openWarmer(core: RootCore, lanes: number, invoke: Invoke): Warmer {
  const { settings, origins, store, reader, records, self, log } = core;
  const registries = new Registries(settings.Mirror, origins.access);
  const now = Date.now;
  return new Warmer({
    ...origins,
    ledger: new Ledger(records),
    store: { has: (id) => has(store, id) },
    chunkBytes: settings.P2PConfig.CacheConfig.ChunkSize,
    readerFor({ logins }) {
      const byOrigin = new Map(
        Object.entries(logins).map(([name, login]) => [originOf(name, registries), login]),
      );
      const auth = new RegistryAuth({ ...origins, logins: byOrigin, now });
      return new JobReader({ ...origins, reader, auth, self, now });
    },
    registries,
    invoke,
    lanes,
    newRun: randomUUID,
    log,
    now,
  });
}

function has(store: ChunkStore, id: ChunkId): Promise<boolean> {
  if (store.has !== undefined) return store.has(id);
  throw new P2PError('STORE_READ_FAILED', `the store ${store.name} cannot be asked what it has`);
}

/** Whom a login is for: a registry by the name that images have, or an origin as it is. */
function originOf(name: string, registries: Registries): string {
  if (!name.includes('://')) return registries.originOf(name, 'logins: a name');
  if (URL.canParse(name)) return new URL(name).origin;
  throw new P2PError('API_REQUEST_INVALID', `logins: ${name} is no origin; write scheme://host[:port]`);
}
