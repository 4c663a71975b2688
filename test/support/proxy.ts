import type { ReverseRoute, Rule } from '../../functions/service/config/settings.ts';
import { OriginAccess } from '../../functions/service/origin-access.ts';
import { Rules } from '../../functions/service/rules.ts';
import { createForwardApp } from '../../sidecar/entry/forward.ts';
import { Gate } from '../../sidecar/entry/gate.ts';
import { P2PPort } from '../../sidecar/entry/p2p-port.ts';
import { PassClient } from '../../sidecar/entry/pass-client.ts';
import { Reverse } from '../../sidecar/entry/reverse.ts';
import { Terminated } from '../../sidecar/entry/terminated.ts';
import { createProxyServer } from '../../sidecar/http-servers.ts';
import { type Line, type Listening, listen, memoryLog, type P2PServer, startP2P } from './app.ts';

/** What a proxy port is made of. */
export interface ProxyOptions {
  readonly origins?: readonly string[];
  /** Default: `*.bin` is accelerated, `secret` denied, the rest passed. */
  readonly rules?: readonly Rule[];
  readonly reverse?: readonly ReverseRoute[];
  /** Whether what is accelerated is redirected to the P2P port. */
  readonly redirect?: boolean;
  readonly headMs?: number;
}

/** A proxy port in this process, over memory and real origins. */
export interface ProxyServer extends Listening {
  readonly node: P2PServer;
  readonly lines: Line[];
  /** As `get` takes it. */
  readonly proxy: { readonly host: string; readonly port: number };
}

export async function startProxy({
  origins = ['127.0.0.1'],
  rules = [
    { Match: 'secret', Action: 'deny' },
    { Match: '\\.bin(\\?.*)?$', Action: 'accelerate' },
  ],
  reverse = [],
  redirect = false,
  headMs = 10_000,
}: ProxyOptions = {}): Promise<ProxyServer> {
  const node = await startP2P();
  const access = new OriginAccess(origins);
  const client = new PassClient({ access, connectMs: 1_000 });
  const { log, lines } = memoryLog();
  const gate = new Gate({
    blobs: node.blobs,
    rules: new Rules(rules),
    passing: { client, access, reader: node.kit.reader },
    redirectTo: redirect
      ? new P2PPort({ Host: '127.0.0.1', Port: node.port, APIKey: 'dadip2p', ServeBySSL: false })
      : undefined,
    self: node.self,
  });
  const app = createForwardApp({
    gate,
    mirror: { handle: () => Promise.reject(new Error('nothing here is for the mirror')) },
    reverse: new Reverse(reverse),
    terminated: new Terminated(),
    readiness: node.readiness,
    metrics: node.metrics,
    log,
  });
  const server = await listen(createProxyServer(app.callback(), headMs));
  return {
    ...server,
    node,
    lines,
    proxy: { host: '127.0.0.1', port: server.port },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      client.close();
      await node[Symbol.asyncDispose]();
    },
  };
}
