import type { Middleware } from 'koa';
import type Router from 'koa-router';
import { type ApiSection, createApi } from '../service/api.ts';
import { admitAll, requireToken } from '../service/api-token.ts';
import type { RootCore } from './root.ts';

/**
 * The API of a root that is a server: all of it in one process, for those who have one of Admin.Tokens. Each section
 * is loaded when it is first asked for.
 */
export const rootApi = (core: RootCore): Middleware =>
  createApi(sectionsOf(core), requireToken(core.settings.Admin.Tokens));

/** What looks after the store of a root. */
export const keeperSections = (core: RootCore): readonly ApiSection[] => [
  { name: 'sweep', open: async () => sweepOf(core) },
  { name: 'cost', open: async () => (await import('./cost/routes.ts')).costRoutes(core) },
  { name: 'purge', open: async () => (await import('./purge/routes.ts')).purgeRoutes(core) },
];

const sectionsOf = (core: RootCore): readonly ApiSection[] => [
  ...keeperSections(core),
  // Agents have tokens of their own.
  { name: 'agents', authorize: admitAll, open: async () => agentsOf(core) },
  { name: 'warm', open: async () => (await import('./warm/in-process.ts')).warmInProcess(core) },
];

async function agentsOf({ settings, entries, self }: RootCore): Promise<Router> {
  const { openDirectory } = await import('./directory-api.ts');
  return openDirectory({ secrets: settings.Secret, entries, self, now: () => performance.now() });
}

async function sweepOf(core: RootCore): Promise<Router> {
  const { sweeperOf } = await import('./sweep/sweeper.ts');
  const { sweepRoutes } = await import('./sweep/routes.ts');
  return sweepRoutes(sweeperOf(core), core.records);
}
