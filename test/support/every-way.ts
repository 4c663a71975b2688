import { join } from 'node:path';
import type { Settings } from '../../functions/service/config/settings.ts';
import { createAuthority } from './authority.ts';
import { type Front, startFront } from './front.ts';
import type { Configured, NodeProcess } from './node-process.ts';
import { type Origin, startOrigin } from './origin.ts';
import { startAgent, startRoot } from './pair.ts';
import { tempDir } from './temp-dir.ts';

/** A way for a client to ask an agent for what an origin has. */
export interface Way {
  readonly name: string;
  /** What a client is to ask for, for a path of the origin. */
  url(path: string): string;
  /** The proxy that it is to ask. */
  readonly proxy?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** File of the authority that it has to trust. */
  readonly ca?: string;
}

export interface EveryWay extends AsyncDisposable {
  readonly origin: Origin;
  /** The same origin over TLS. */
  readonly front: Front;
  readonly agent: NodeProcess;
  /** Those that lead to any path. */
  readonly ways: readonly Way[];
  /** The agent's own authority, a file. */
  readonly ca: string;
  /** Leads to what is below `/v2/` alone. */
  readonly mirror: Way;
}

// Large files should not be many requests.
const CHUNK = '1MiB';

/** One origin, a root, an agent that serves it in every way there is, and one that redirects. */
export async function startEveryWay(over: Configured<Settings> = {}): Promise<EveryWay> {
  const held: AsyncDisposable[] = [];
  const hold = <T extends AsyncDisposable>(value: T): T => {
    held.unshift(value);
    return value;
  };
  const dir = hold(await tempDir());
  const authority = hold(await createAuthority());
  const origin = hold(await startOrigin());
  const front = hold(await startFront(origin.url, { tls: await authority.leaf('IP:127.0.0.1') }));
  const origins = [origin.url, front.url];
  const ca = join(dir.path, 'ca.crt');
  const ProxyConfig = {
    Rules: [{ Preset: 'oci' }, { Match: '\\.bin(\\?|$)', Action: 'accelerate' }] as const,
    Reverse: [
      { Path: '/by-path/', Origin: origin.url },
      { Host: 'files.test', Origin: origin.url },
    ] as never,
    CertConfig: { CertPath: ca, KeyPath: join(dir.path, 'ca.key'), GenerateCert: true },
  };
  const settings = { ExtraCA: authority.certFile, ...over };
  const root = hold(await startRoot({ origins, chunkSize: CHUNK, root: settings }));
  const Mirror = { Default: origin.url };
  const [agent, redirecting] = (
    await Promise.all([
      startAgent({ origins, chunkSize: CHUNK, agent: { ...settings, Mirror, ProxyConfig } }, [root.url]),
      startAgent(
        {
          origins,
          chunkSize: CHUNK,
          agent: { ...settings, ProxyConfig: { ...ProxyConfig, ProxyHTTPS: false, Proxy: 'redirect' } },
        },
        [root.url],
      ),
    ])
  ).map((node) => hold(node)) as [NodeProcess, NodeProcess];
  const port = `http://127.0.0.1:${agent.proxyPort}`;
  const ways: Way[] = [
    { name: 'forward proxy', url: (path) => origin.url + path, proxy: port },
    { name: 'intercepted', url: (path) => front.url + path, proxy: port, ca },
    { name: 'prefix', url: (path) => `${agent.url}/dadip2p/${origin.url}${path}` },
    { name: 'reverse by path', url: (path) => `${port}/by-path${path}` },
    { name: 'reverse by host', url: (path) => port + path, headers: { Host: 'files.test' } },
    {
      name: 'redirect',
      url: (path) => origin.url + path,
      proxy: `http://127.0.0.1:${redirecting.proxyPort}`,
    },
  ];
  return {
    origin,
    front,
    agent,
    ways,
    ca,
    mirror: { name: 'mirror', url: (path) => port + path },
    async [Symbol.asyncDispose]() {
      for (const each of held) await each[Symbol.asyncDispose]();
    },
  };
}
