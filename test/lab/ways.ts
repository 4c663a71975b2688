import { PORTS, REGISTRY, REVERSE_PATH } from './cluster.ts';

/** How a client of a host asks its agent for what the origin has at a path. */
export interface Asking {
  readonly port: number;
  readonly target: string;
  readonly headers: readonly string[];
}

/** The ways in that plain HTTP clients use. */
export const WAYS = {
  prefix: (origin, path) => ({
    port: PORTS.p2p,
    target: `/dadip2p/${origin}${path}`,
    headers: [`Host: 127.0.0.1:${PORTS.p2p}`],
  }),
  proxy: (origin, path) => ({
    port: PORTS.proxy,
    target: `${origin}${path}`,
    headers: [`Host: ${new URL(origin).host}`],
  }),
  mirror: (_, path) => ({
    port: PORTS.proxy,
    target: `${path}?ns=${REGISTRY}`,
    headers: [`Host: 127.0.0.1:${PORTS.proxy}`],
  }),
  reverse: (_, path) => ({
    port: PORTS.proxy,
    target: `${REVERSE_PATH}${path.slice(1)}`,
    headers: [`Host: 127.0.0.1:${PORTS.proxy}`],
  }),
} as const satisfies Record<string, (origin: string, path: string) => Asking>;

export type Way = keyof typeof WAYS;
export const WAY_NAMES = Object.keys(WAYS) as Way[];
