import { parseAddress } from '../../functions/protocol/address.ts';
import { ROOT_AUDIENCE, TOKEN_HEADER } from '../../functions/protocol/token.ts';
import { repositoryOf } from '../../functions/root/warm/job-reader.ts';
import { ClusterKeys } from '../../functions/service/cluster-keys.ts';
import type { Settings } from '../../functions/service/config/settings.ts';
import type { HttpClient } from '../../functions/service/http-client.ts';
import { NodeTokens } from '../../functions/service/node-tokens.ts';
import { Registries } from '../../functions/service/registries.ts';
import { type Login, RegistryAuth } from '../../functions/service/registry-auth.ts';

// The agent judges what is read; whose login it is was said by who runs this.
const ANY = { checkListed: () => {}, checkAddress: () => {} };

/**
 * What an agent is shown when it is asked for a blob: that we share its Secret, where there is one, and for what is
 * private the right that a login gives.
 */
export function agentHeaders(
  { Secret, Mirror }: Pick<Settings, 'Secret' | 'Mirror'>,
  logins: Readonly<Record<string, Login>>,
  http: Pick<HttpClient, 'request'>,
  signal: AbortSignal,
): (url: string) => Promise<Readonly<Record<string, string>>> {
  const keys = ClusterKeys.of(Secret);
  const tokens = keys && new NodeTokens({ keys, self: 'http://warm', now: Date.now });
  const registries = new Registries(Mirror, ANY);
  const byOrigin = new Map(
    Object.entries(logins).map(([name, login]) => [registries.originOf(name, name), login]),
  );
  const auth = new RegistryAuth({ http, access: ANY, logins: byOrigin, now: Date.now });
  return async function headersFor(url) {
    const address = parseAddress(url);
    const repository = repositoryOf(address);
    const isPrivate = repository !== undefined && byOrigin.has(address.origin);
    const authorization = isPrivate
      ? await auth.authorization(address.origin, repository, signal)
      : undefined;
    return {
      ...(tokens && { [TOKEN_HEADER]: tokens.issue(ROOT_AUDIENCE, 'read') }),
      ...(authorization === undefined ? {} : { authorization }),
    };
  };
}
