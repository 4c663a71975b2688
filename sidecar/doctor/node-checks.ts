import { P2PError } from '../../functions/protocol/errors.ts';
import type { Settings } from '../../functions/service/config/settings.ts';
import type { HttpClient } from '../../functions/service/http-client.ts';
import { reachable } from '../setup/wiring.ts';
import { rootUrlsOf } from '../upstream/root-urls.ts';
import { type Check, type Finding, failed, ok } from './check.ts';

/** The check that all need that go through the agent. */
export const PROXY_PORT = "agent's proxy port";

/** That the agent serves on each of its ports; `http` knows the authorities of the cluster. */
export function agentChecks({ ProxyConfig, P2PConfig, Admin }: Settings, http: HttpClient): Check[] {
  const ports = [
    { name: PROXY_PORT, host: ProxyConfig.Host, port: ProxyConfig.Port, setting: 'ProxyConfig.Port' },
    { name: "agent's P2P port", host: P2PConfig.Host, port: P2PConfig.Port, setting: 'P2PConfig.Port' },
    { name: "agent's admin port", host: Admin.Host, port: Admin.Port, setting: 'Admin.Port' },
  ];
  return ports.map(({ name, host, port, setting }) => {
    const isTls = setting === 'P2PConfig.Port' && P2PConfig.ServeBySSL;
    const url = `${isTls ? 'https' : 'http'}://${reachable(host)}:${port}`;
    return {
      name,
      async run(signal) {
        const found = await askReady(http, url, signal);
        if (found === 'ready') return ok(`serves at ${url}`);
        return found === 'not-ready'
          ? failed(
              `${url} is there, and is not ready`,
              'wait until the agent has started, or look at its log',
            )
          : failed(
              `${url} does not answer as an agent (${found})`,
              `start the agent, or correct ${setting} in the configuration that doctor is given by -c`,
            );
      },
    };
  });
}

/** That the roots can be reached: all of them, for one that is down is found out by its absence alone. */
export const rootCheck = ({ P2PConfig, OriginFallback }: Settings, http: HttpClient): Check => ({
  name: 'roots',
  async run(signal) {
    const roots = rootUrlsOf(P2PConfig);
    if (roots.length === 0) return ok('none is configured: the agent reads the origins itself');
    const answers = await Promise.all(roots.map((root) => askReady(http, root, signal)));
    const away = roots.filter((_, at) => answers[at] !== 'ready');
    if (away.length === 0) return ok(`${roots.join(', ')} ${roots.length === 1 ? 'serves' : 'serve'}`);
    return rootsAway(away, answers.find((answer) => answer !== 'ready') ?? '', OriginFallback);
  },
});

const rootsAway = (away: readonly string[], why: string, hasFallback: boolean): Finding =>
  failed(
    `${away.join(', ')} cannot be used (${why})`,
    `start it, open its port to this host, or correct P2PConfig.RootList${
      hasFallback ? '; until then the agent reads the origins itself' : ''
    }`,
  );

async function askReady(
  http: HttpClient,
  url: string,
  signal: AbortSignal,
): Promise<'ready' | 'not-ready' | string> {
  try {
    const { status, body } = await http.request({ url: `${url}/readyz`, method: 'GET', headers: {} }, signal);
    body.discard();
    if (status === 200) return 'ready';
    return status === 503 ? 'not-ready' : `status ${status}`;
  } catch (error) {
    if (error instanceof P2PError) return error.message;
    throw error;
  }
}
