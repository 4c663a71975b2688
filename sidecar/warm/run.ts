import { P2PError } from '../../functions/protocol/errors.ts';
import type { Progress } from '../../functions/root/warm/progress.ts';
import { HttpClient } from '../../functions/service/http-client.ts';
import type { Login } from '../../functions/service/registry-auth.ts';
import { loadTrust } from '../../functions/service/trust.ts';
import type { Arguments } from '../cli/arguments.ts';
import type { World } from '../cli/command.ts';
import { nodeSettings } from '../cli/node-settings.ts';
import { agentHeaders } from './agent-headers.ts';
import { type PulledBlob, pullInto } from './agent-pull.ts';
import { dockerLogins } from './docker-logins.ts';
import { follow } from './follow.ts';
import { RootApi } from './root-api.ts';
import { formatBytes, showProgress } from './show.ts';
import { wishOf } from './wish.ts';

// A function may first have to be started, and to ask an origin.
const LIMITS = { connectMs: 5_000, firstByteMs: 30_000, idleMs: 30_000 };

/** `dadip2p warm`: ends with 1 when something could not be warmed. What the root has begun it brings to its end. */
export async function warm(args: Arguments, world: World): Promise<void> {
  const settings = nodeSettings(args, world);
  const { images, urls, platforms, root, token, agents } = wishOf(args, settings);
  const file = args.flags.get('logins')?.at(-1);
  const logins: Readonly<Record<string, Login>> = file === undefined ? {} : dockerLogins(file, images);
  const trust = loadTrust(settings.ExtraCA, world.env.NODE_EXTRA_CA_CERTS);
  const http = new HttpClient({ ...LIMITS, connections: 16, trust });
  const { signal } = new AbortController();
  try {
    const api = new RootApi(http, root, token);
    const order = { images, urls, platforms, logins };
    const progress = await follow(api, order, showProgress('root', world), signal);
    report(progress, world);
    if (agents.length === 0) return;
    const known = await api.blobs(progress.id, signal);
    const blobs = known.map(({ at, size }) => ({
      url: typeof at === 'string' ? at : (urls[at] ?? ''),
      size,
    }));
    const headersFor = agentHeaders(settings, logins, http, signal);
    const parts = { http, apiKey: settings.P2PConfig.APIKey, headersFor };
    for (const agent of agents) {
      await fill(agent, blobs, parts, world, signal).catch((error: unknown) => {
        if (!(error instanceof P2PError)) throw error;
        world.print(`${agent}: ${error.message}`);
        world.exitWith(1);
      });
    }
  } finally {
    await http.close();
  }
}

function report({ blobs, bytes, unproven, failed, failures }: Progress, world: World): void {
  for (const { what, code, message } of failures) world.print(`${what}: ${code}: ${message}`);
  const unseen = failed - failures.length;
  if (unseen > 0) world.print(`… and ${unseen} more`);
  world.print(
    `The root has ${formatBytes(bytes.done)} of ${formatBytes(bytes.total)} in ${blobs} blobs; ${formatBytes(bytes.fetched)} of it fetched now.`,
  );
  if (unproven > 0)
    world.print(`${unproven} too large to be held against their digest in the time a function has.`);
  if (failed > 0) world.exitWith(1);
}

async function fill(
  agent: string,
  blobs: readonly PulledBlob[],
  parts: Omit<Parameters<typeof pullInto>[2], 'progressed'>,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const total = blobs.reduce((sum, { size }) => sum + size, 0);
  const show = showProgress(agent, world);
  let done = 0;
  const progressed = (bytes: number) => {
    done += bytes;
    show.update(done, total);
  };
  try {
    await pullInto(agent, blobs, { ...parts, progressed }, signal);
  } finally {
    show.stop();
  }
  world.print(`${agent} has ${formatBytes(total)}.`);
}
