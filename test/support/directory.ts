import type { Member } from '../../functions/protocol/member.ts';
import { ROOT_AUDIENCE, TOKEN_HEADER, type TokenUse } from '../../functions/protocol/token.ts';
import type { DirectoryEntries } from '../../functions/root/directory.ts';
import { openDirectory } from '../../functions/root/directory-api.ts';
import { FolderEntries } from '../../functions/root/folder-entries.ts';
import { createApi } from '../../functions/service/api.ts';
import { createApiApp } from '../../functions/service/api-app.ts';
import { admitAll } from '../../functions/service/api-token.ts';
import { ClusterKeys } from '../../functions/service/cluster-keys.ts';
import { NodeCalls } from '../../functions/service/node-calls.ts';
import { NodeTokens } from '../../functions/service/node-tokens.ts';
import { type Listening, listen, memoryLog } from './app.ts';
import { NEW_SECRET } from './secrets.ts';
import { tempDir } from './temp-dir.ts';

/** A root's directory over a folder, behind its API, whose store has a clock that a test turns. */
export interface TestDirectory extends Listening {
  /** How far the store's clock is ahead: all entries that are there age by it. */
  agedMs: number;
  /** Whether it has lost its store: nothing is kept, and nothing listed. */
  isLost: boolean;
  /** Whether it answers nothing but 503. */
  isFailing: boolean;
  /** What was asked, as `GET` and `POST`. */
  readonly asked: string[];
}

/** Shows a token of the agent at this URL, signed with a secret. */
export const tokenOf =
  (url: string, secret = NEW_SECRET, now = Date.now) =>
  (use: TokenUse): Record<string, string> => ({
    [TOKEN_HEADER]: tokensOf(url, secret, now).issue(ROOT_AUDIENCE, use),
  });

/** How the agent at this URL asks others, by a clock of its own. */
export const callsOf = (url: string, now = Date.now): NodeCalls =>
  new NodeCalls(tokensOf(url, NEW_SECRET, now));

const tokensOf = (self: string, secret: string, now: () => number): NodeTokens =>
  new NodeTokens({ keys: ClusterKeys.of([secret]) as ClusterKeys, self, now });

/** An agent with an address that a root on loopback believes. */
export const agentOf = (port: number, over: Partial<Member> = {}): Member => ({
  id: `0000000${port}-id`,
  url: `http://127.0.0.1:${port}`,
  zone: '',
  weight: 1,
  ...over,
});

export async function startDirectory(secrets: readonly string[] = [NEW_SECRET]): Promise<TestDirectory> {
  const dir = await tempDir();
  const folder = new FolderEntries(dir.path);
  const bornMs = new Map<string, number>();
  const entries: DirectoryEntries = {
    async put(name) {
      bornMs.set(name, directory.agedMs);
      if (!directory.isLost) await folder.put(name);
    },
    remove: (name) => folder.remove(name),
    async list(below) {
      const found = directory.isLost ? [] : await folder.list(below);
      return found.map(({ name, ageMs }) => ({
        name,
        ageMs: ageMs + directory.agedMs - (bornMs.get(name) ?? 0),
      }));
    },
  };
  // Nothing is remembered from one listing to the next.
  let nowMs = 0;
  const now = () => {
    nowMs += 3_000;
    return nowMs;
  };
  const api = createApi(
    [
      {
        name: 'agents',
        authorize: admitAll,
        open: async () => openDirectory({ secrets, entries, self: 'http://root.test', now }),
      },
    ],
    admitAll,
  );
  const app = createApiApp(api, memoryLog().log).callback();
  const asked: string[] = [];
  const server = await listen((request, response) => {
    asked.push(request.method ?? '');
    if (directory.isFailing) response.writeHead(503).end();
    else app(request, response);
  });
  const directory: TestDirectory = {
    ...server,
    agedMs: 0,
    isLost: false,
    isFailing: false,
    asked,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
  return directory;
}
