import * as assert from 'uvu/assert';
import type { Settings } from '../../functions/service/config/settings.ts';
import { type Front, NO_BLOBS, startFront } from './front.ts';
import { type Image, type ImageOptions, pushImage } from './image.ts';
import type { Configured, NodeProcess } from './node-process.ts';
import { startAgent, startRoot } from './pair.ts';
import { type Registry, type RegistryOptions, startRegistry } from './registry.ts';

/** A registry of the network. */
export interface MirroredRegistry {
  readonly registry: Registry;
  /** Before it: what our nodes ask of it. */
  readonly front: Front;
}

const CHUNK = '1MiB';
// Until there is an agent.
const NOBODY = 'http://127.0.0.1:1';

/**
 * Registries, a root, and an agent whose mirror stands before them, with a front at each border:
 *
 *     client ─► `mirror` front ─► agent ─► `root` front ─► root ─► a front each ─► registries
 */
export interface MirrorNetwork extends AsyncDisposable {
  /** By the name that clients know them by. The first one is also the mirror's default. */
  readonly registries: Readonly<Record<string, MirroredRegistry>>;
  readonly mirror: Front;
  readonly root: Front;
  /** Puts an image into a registry, past our nodes. */
  push(name: string, repository: string, options: ImageOptions): Promise<Image>;
  /** Starts an agent with an empty cache, which from now on is the one behind the mirror's front. */
  startAgent(settings?: Configured<Settings>): Promise<NodeProcess>;
  /** Registries refuse every request for a blob, and everybody forgets what was asked. */
  closeOrigins(): void;
  /** Ends all faults and limits, and everybody forgets what was asked. */
  heal(): void;
}

/** Starts a network of these registries, by the names that clients know them by; agents come later. */
export async function startMirrorNetwork(
  wanted: Readonly<Record<string, RegistryOptions>>,
): Promise<MirrorNetwork> {
  const entries = Object.entries(wanted).map(async ([name, options]) => {
    const registry = await startRegistry(options);
    return [name, { registry, front: await startFront(registry.url) }] as const;
  });
  const registries = Object.fromEntries(await Promise.all(entries));
  const behind = Object.values(registries);
  const origins = behind.map(({ front }) => front.url);
  const realRoot = await startRoot({ origins, chunkSize: CHUNK });
  const root = await startFront(realRoot.url);
  const mirror = await startFront(NOBODY);
  const fronts = [mirror, root, ...behind.map(({ front }) => front)];

  return {
    registries,
    mirror,
    root,
    async push(name, repository, options) {
      const { registry } = registries[name] as MirroredRegistry;
      return pushImage(registry.url, repository, 'v1', options);
    },
    async startAgent(settings = {}) {
      const Registries = Object.fromEntries(
        Object.entries(registries).map(([name, { front }]) => [name, front.url]),
      );
      const Mirror = { Default: origins[0] as string, Registries };
      const agent = await startAgent({ origins, chunkSize: CHUNK, agent: { Mirror, ...settings } }, [
        root.url,
      ]);
      mirror.upstream = `http://127.0.0.1:${agent.proxyPort}`;
      return agent;
    },
    closeOrigins() {
      for (const front of fronts) front.forget();
      for (const { front } of behind) front.faults = [NO_BLOBS];
    },
    heal() {
      for (const front of fronts) {
        front.forget();
        front.faults = [];
        front.bitsPerSecond = undefined;
      }
    },
    async [Symbol.asyncDispose]() {
      for (const front of fronts) await front[Symbol.asyncDispose]();
      await realRoot[Symbol.asyncDispose]();
      for (const { registry } of behind) await registry[Symbol.asyncDispose]();
    },
  };
}

/** The digests of an image that a client has to have asked for, each once, and been given whole, at once. */
export function assertEachBlobOnce({ hits }: Pick<Front, 'hits'>, { config, layers }: Image): void {
  const blobs = hits.filter(({ method, url }) => method === 'GET' && url.includes('/blobs/'));
  const asked = blobs.map(({ url }) => /sha256:[0-9a-f]{64}/.exec(url)?.[0]);
  assert.equal(asked.sort(), [config, ...layers].map(({ digest }) => digest).sort());
  for (const { url, status, finished } of hits) {
    assert.ok(status < 300 && finished, `${url} was answered ${status}${finished ? '' : ', and broken off'}`);
  }
}
