import { P2PError } from '../../functions/protocol/errors.ts';
import type { Settings } from '../../functions/service/config/settings.ts';
import type { Interception } from './interception.ts';

/** A registry that the agent is a mirror of. */
export interface MirroredRegistry {
  /** As it stands in the names of images: `docker.io`. */
  readonly name: string;
  /** Where it really is: `https://registry-1.docker.io`. */
  readonly origin: string;
}

/** What a runtime has to know of an agent to pull through it. */
export interface Wiring {
  /** The port that is both proxy and mirror, as a program of this host reaches it: `http://127.0.0.1:19245`. */
  readonly agent: string;
  /** Those that are named to it by `?ns=`, and that runtimes ask for by this name. */
  readonly registries: readonly MirroredRegistry[];
  /** The one it takes a request for that names none. */
  readonly defaultRegistry: MirroredRegistry;
  /** Absent when the agent does not intercept HTTPS. */
  readonly interception?: Interception;
}

// The name that images of Docker Hub have, and the host that answers for it.
const HUB: MirroredRegistry = { name: 'docker.io', origin: 'https://registry-1.docker.io' };

/**
 * What runtimes on the agent's own host have to know of it.
 *
 * @throws P2PError CONFIG_INVALID for a node that no runtime can be pointed at.
 */
export function wiringOf({ P2PConfig, ProxyConfig, Mirror }: Settings, interception?: Interception): Wiring {
  if (P2PConfig.RunMode !== 'agent') {
    throw new P2PError('CONFIG_INVALID', 'P2PConfig.RunMode: is root; runtimes pull through an agent');
  }
  if (ProxyConfig.Port === 0) {
    throw new P2PError(
      'CONFIG_INVALID',
      'ProxyConfig.Port: is 0, any free port; runtimes need one that stays',
    );
  }
  const named = Object.entries(Mirror.Registries).map(([name, url]) => ({
    name,
    origin: new URL(url).origin,
  }));
  const registries = named.some(({ name }) => name === HUB.name) ? named : [HUB, ...named];
  const { origin, host } = new URL(Mirror.Default);
  return {
    agent: `http://${reachable(ProxyConfig.Host)}:${ProxyConfig.Port}`,
    registries,
    defaultRegistry: registries.find((registry) => registry.origin === origin) ?? { name: host, origin },
    ...(interception !== undefined && { interception }),
  };
}

/** The address of a listener as a program on its host reaches it. */
export function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
