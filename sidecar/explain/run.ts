import { P2PError } from '../../functions/protocol/errors.ts';
import { HttpClient } from '../../functions/service/http-client.ts';
import { readText } from '../../functions/service/read-text.ts';
import type { Arguments } from '../cli/arguments.ts';
import type { World } from '../cli/command.ts';
import { nodeSettings } from '../cli/node-settings.ts';
import { formatTrace, type ShownTrace } from './format-trace.ts';

// The agent answers when it has read all of it.
const LIMITS = { connectMs: 2_000, firstByteMs: 60 * 60_000, idleMs: 60_000 };
const MAX_REPLY_BYTES = 64 * 2 ** 20;
const PATH = '/api/v1/trace';

/** `dadip2p explain`: ends with 1 when the read failed. */
export async function explain(args: Arguments, world: World): Promise<void> {
  const [url] = args.positionals;
  if (url === undefined) throw new P2PError('CONFIG_INVALID', 'name a URL: dadip2p explain URL');
  const { Admin } = nodeSettings(args, world);
  const [token] = Admin.Tokens;
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    'content-type': 'application/json',
  };
  const authorization = args.flags.get('authorization')?.at(-1);
  const host = Admin.Host.includes(':') ? `[${Admin.Host}]` : Admin.Host;
  const api = `http://${host}:${Admin.Port}${PATH}`;
  const request = args.flags.has('last')
    ? { method: 'GET', url: `${api}?url=${encodeURIComponent(url)}`, headers }
    : { method: 'POST', url: api, headers, body: JSON.stringify({ url, authorization }) };
  const http = new HttpClient({ ...LIMITS, connections: 1 });
  try {
    const reply = await http.request(request, new AbortController().signal);
    const text = await readText(reply.body, MAX_REPLY_BYTES, 'the agent');
    if (reply.status !== 200) {
      throw new P2PError(
        'UPSTREAM_REFUSED',
        `the agent answers ${reply.status}: ${text.trim().slice(0, 1000)}`,
      );
    }
    const trace = JSON.parse(text) as ShownTrace;
    world.print(args.flags.has('json') ? JSON.stringify(trace, null, 2) : formatTrace(trace));
    if (trace.requests.some(({ outcome }) => !/^[23]\d\d$/.test(outcome ?? ''))) world.exitWith(1);
  } finally {
    await http.close();
  }
}
