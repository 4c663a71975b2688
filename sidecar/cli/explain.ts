import type { Command } from './command.ts';
import { CONFIG_FLAG } from './node-settings.ts';

/** `dadip2p explain URL`: says for each chunk of a blob where the agent had it from, and how long that took. */
export const EXPLAIN: Command = {
  name: 'explain',
  usage: 'explain URL [flags]',
  summary: 'read a URL through the agent of this host, and say where each chunk came from',
  flags: [
    CONFIG_FLAG,
    { name: 'last', help: 'explain the last read of that URL instead of reading it' },
    { name: 'authorization', value: 'TEXT', help: 'what its origin wants in Authorization' },
    { name: 'json', help: 'print the trace as JSON' },
  ],
  operands: 1,
  execute: async (args, world) => (await import('../explain/run.ts')).explain(args, world),
};
