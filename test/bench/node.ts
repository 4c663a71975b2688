import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, GiB } from './machine.ts';
import type { Running, Scope } from './scope.ts';

export const API_KEY = 'dadip2p';

const MAIN = fileURLToPath(new URL('../../dist/sidecar/main.js', import.meta.url));

export interface Node extends Running {
  readonly port: number;
}

interface NodeOptions {
  readonly name: string;
  readonly mode: 'root' | 'agent';
  readonly originPort: number;
  readonly memoryBytes: number;
  /** Asked before the origin; with one, the origin itself is not asked. */
  readonly rootPort?: number;
}

export const isBuilt = (): boolean => existsSync(MAIN);

/** Starts our program as its users do: the built file, a configuration file, a supervisor and its worker. */
export async function startNode(scope: Scope, options: NodeOptions): Promise<Node> {
  const { name, mode, originPort, memoryBytes, rootPort } = options;
  const [port, proxyPort, adminPort] = [await freePort(), await freePort(), await freePort()];
  const dir = join(scope.dir, name);
  mkdirSync(dir, { recursive: true });
  const config = {
    LogLevel: 'warn',
    ProxyConfig: { Host: '127.0.0.1', Port: proxyPort },
    P2PConfig: {
      RunMode: mode,
      Host: '127.0.0.1',
      Port: port,
      APIKey: API_KEY,
      RootList: rootPort === undefined ? [] : [`http://127.0.0.1:${rootPort}`],
      CacheConfig: { FileCachePath: join(dir, 'cache'), FileCacheSize: 8 * GiB, MemCacheSize: memoryBytes },
    },
    Origins: [`http://127.0.0.1:${originPort}`],
    OriginFallback: rootPort === undefined,
    Admin: { Host: '127.0.0.1', Port: adminPort },
  };
  const path = join(dir, 'config.yaml');
  // JSON is YAML.
  writeFileSync(path, JSON.stringify(config, null, 2));
  const running = await scope.start({
    name,
    command: process.execPath,
    args: [MAIN, '-c', path],
    isReady: async (signal) => (await fetch(`http://127.0.0.1:${port}/readyz`, { signal })).status === 200,
  });
  return { ...running, port };
}
