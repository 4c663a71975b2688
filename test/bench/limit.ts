import { compile } from './drain.ts';
import { freePort } from './machine.ts';
import type { Running, Scope } from './scope.ts';

/** Puts a link of `bytesPerSecond` in all, however many connections, in front of a port. */
export async function startLimiter(
  scope: Scope,
  toPort: number,
  bytesPerSecond: number,
): Promise<Running & { readonly port: number }> {
  const port = await freePort();
  const running = await scope.start({
    name: 'limit',
    command: compile(scope, 'limit'),
    args: [String(port), String(toPort), String(bytesPerSecond)],
    isReady: async (signal) => (await fetch(`http://127.0.0.1:${port}/`, { signal })).status > 0,
  });
  return { ...running, port };
}
