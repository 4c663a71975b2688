import type { IncomingMessage } from 'node:http';
import type { Settings } from '../../functions/service/config/settings.ts';

const ANY_ADDRESS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

type Config = Pick<Settings['P2PConfig'], 'Host' | 'Port' | 'APIKey' | 'ServeBySSL'>;

/** This agent's P2P port as its proxy's clients reach it: where `Proxy: redirect` sends them. */
export class P2PPort {
  readonly #config: Config;

  constructor(config: Config) {
    this.#config = config;
  }

  /** Where the one who sent this request may ask for an origin URL. */
  locationOf(request: IncomingMessage, url: string): string {
    const { Host, Port, APIKey, ServeBySSL } = this.#config;
    const reached = (request.socket.localAddress ?? '127.0.0.1').replace(/^::ffff:/, '');
    const host = ANY_ADDRESS.has(Host) ? reached : Host;
    return `${ServeBySSL ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${Port}/${APIKey}/${url}`;
  }

  /** The origin URL in such a location: clients that ask a proxy for everything ask it for that too. */
  urlIn(request: IncomingMessage, location: string): string | undefined {
    const prefix = this.locationOf(request, '');
    return location.startsWith(prefix) ? location.slice(prefix.length) : undefined;
  }
}
