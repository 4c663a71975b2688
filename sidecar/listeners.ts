import type { Settings } from '../functions/service/config/settings.ts';

/** The ways into a node, each a port. */
export type ListenerName = 'proxy' | 'p2p' | 'admin';

/** Where one of them listens. */
export interface Listener {
  readonly name: ListenerName;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** The setting that says so, for messages. */
  readonly setting: string;
}

/** The ports that a node of this kind opens: a root has no proxy port. */
export function listenersOf({ ProxyConfig, P2PConfig, Admin }: Settings): Listener[] {
  const proxy: Listener = {
    name: 'proxy',
    host: ProxyConfig.Host,
    port: ProxyConfig.Port,
    setting: 'ProxyConfig.Port',
  };
  return [
    ...(P2PConfig.RunMode === 'agent' ? [proxy] : []),
    { name: 'p2p', host: P2PConfig.Host, port: P2PConfig.Port, setting: 'P2PConfig.Port' },
    { name: 'admin', host: Admin.Host, port: Admin.Port, setting: 'Admin.Port' },
  ];
}

/** The settings with the ports that were really taken, where they said "any free one". */
export function withPorts(
  settings: Settings,
  ports: Readonly<Partial<Record<ListenerName, number>>>,
): Settings {
  const { ProxyConfig, P2PConfig, Admin } = settings;
  return {
    ...settings,
    ProxyConfig: { ...ProxyConfig, Port: ports.proxy ?? ProxyConfig.Port },
    P2PConfig: { ...P2PConfig, Port: ports.p2p ?? P2PConfig.Port },
    Admin: { ...Admin, Port: ports.admin ?? Admin.Port },
  };
}
