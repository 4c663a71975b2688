import type { Middleware } from 'koa';
import { type ApiSection, createApi } from '../functions/service/api.ts';
import { admitAll, requireToken } from '../functions/service/api-token.ts';
import type { Settings } from '../functions/service/config/settings.ts';

/** The API of an agent, for this machine alone, or for those who have one of Admin.Tokens. */
export function agentApi({ Admin }: Settings): Middleware {
  const isLocal = /^(?:127\.\d+\.\d+\.\d+|::1|localhost)$/.test(Admin.Host);
  return createApi(SECTIONS, isLocal ? admitAll : requireToken(Admin.Tokens));
}

const SECTIONS: readonly ApiSection[] = [];
