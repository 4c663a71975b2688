import type { Middleware } from 'koa';
import { type ApiSection, createApi } from '../functions/service/api.ts';
import { admitAll, requireToken } from '../functions/service/api-token.ts';
import type { Settings } from '../functions/service/config/settings.ts';
import type { TraceApiParts } from './explain/trace-api.ts';
import type { Members } from './members/member.ts';

/** What the API of an agent shows. */
export interface AgentApiParts {
  readonly members: Members;
  readonly traces: TraceApiParts;
}

/** The API of an agent, for this machine alone, or for those who have one of Admin.Tokens. */
export function agentApi({ Admin }: Settings, parts: AgentApiParts): Middleware {
  const isLocal = /^(?:127\.\d+\.\d+\.\d+|::1|localhost)$/.test(Admin.Host);
  return createApi(sectionsOf(parts), isLocal ? admitAll : requireToken(Admin.Tokens));
}

const sectionsOf = ({ members, traces }: AgentApiParts): readonly ApiSection[] => [
  { name: 'members', open: async () => (await import('./members/members-api.ts')).membersRoutes(members) },
  { name: 'trace', open: async () => (await import('./explain/trace-api.ts')).traceRoutes(traces) },
];
