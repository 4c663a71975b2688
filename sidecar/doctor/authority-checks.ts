import { X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import { hasCode, type P2PError } from '../../functions/protocol/errors.ts';
import type { Settings } from '../../functions/service/config/settings.ts';
import { type InterceptionState, interceptionOf } from '../setup/interception.ts';
import { loadAuthority } from '../tls/authority-files.ts';
import { hostsOf } from '../tls/intercepted-hosts.ts';
import { type Check, failed, failedBy, ok, skipped } from './check.ts';

/** The check without which the runtime's trust says nothing. */
export const AUTHORITY = 'authority';

const SOON_MS = 30 * 86_400_000;
const RENEW =
  'remove both files of CertConfig, start the agent with --generate-cert, then run dadip2p setup again';

/** The interception as setup sees it, or what is wrong with the authority. */
export type AuthorityState = InterceptionState | { readonly isOn: false; readonly fault: P2PError };

/** What there is of an authority; a fault of it is a finding, not the end. */
export async function authorityOf(settings: Settings): Promise<AuthorityState> {
  return interceptionOf(settings).catch((fault: unknown) => {
    if (!hasCode(fault, 'CONFIG_INVALID')) throw fault;
    return { isOn: false as const, fault };
  });
}

/**
 * That the authority of intercepted HTTPS is whole, kept safe, and may certify all hosts that are intercepted.
 *
 * @param isExpected True when there has to be one: the settings, or what was set up before, say so.
 */
export function authorityChecks(
  settings: Settings,
  state: AuthorityState,
  isExpected: boolean,
  nowMs: number,
): Check[] {
  const { CertPath, KeyPath } = settings.ProxyConfig.CertConfig;
  const needs = [AUTHORITY];
  const whole: Check = {
    name: AUTHORITY,
    run() {
      if ('fault' in state) return failedBy(state.fault);
      if (state.isOn) return ok(`${CertPath} and ${KeyPath}`);
      return isExpected
        ? failed('HTTPS is not intercepted, and the runtime counts on it', state.why)
        : skipped(`HTTPS is not intercepted: ${state.why}`);
    },
  };
  if (!state.isOn) return [whole];
  const { authority } = state.interception;
  return [
    whole,
    {
      name: "authority's key",
      needs,
      run() {
        const mode = statSync(KeyPath).mode & 0o777;
        if ((mode & 0o077) === 0) return ok(`${KeyPath} is for its owner alone`);
        return failed(
          `${KeyPath} has mode 0${mode.toString(8)}: whoever reads it can stand in for the intercepted hosts`,
          `run: chmod 600 ${KeyPath}; if others may have read it, make a new authority`,
        );
      },
    },
    {
      name: "authority's life",
      needs,
      run() {
        const endMs = Date.parse(new X509Certificate(authority).validTo);
        const end = new Date(endMs).toISOString().slice(0, 10);
        if (endMs - nowMs > SOON_MS) return ok(`until ${end}`);
        return failed(`${CertPath} ${endMs < nowMs ? 'ended' : 'ends'} on ${end}`, RENEW);
      },
    },
    {
      name: "authority's hosts",
      needs,
      async run() {
        const { names } = hostsOf(settings);
        const permits = (await loadAuthority(settings.ProxyConfig.CertConfig))?.permits;
        const beyond = names.filter((name) => !permits?.(name));
        if (beyond.length === 0) return ok(names.join(', '));
        return failed(`${CertPath} may not certify ${beyond.join(', ')}: HTTPS to them is tunnelled`, RENEW);
      },
    },
  ];
}
