import type { Flag } from './arguments.ts';
import type { Command } from './command.ts';
import { CONFIG_FLAG } from './node-settings.ts';

const ROOT_FLAGS: readonly Flag[] = [
  CONFIG_FLAG,
  { name: 'root', value: 'URL', help: 'the root; unless told, the first of P2PConfig.RootList' },
  { name: 'token', value: 'TOKEN', help: 'what opens its API; unless told, the first of Admin.Tokens' },
];

/** `dadip2p sweep`: has a root remove what it may not keep. */
export const SWEEP: Command = {
  name: 'sweep',
  usage: 'sweep [flags]',
  summary: 'have a root remove what is too old, too much, or led to by nothing',
  flags: [...ROOT_FLAGS, { name: 'dry-run', help: 'tell what would go, and remove nothing' }],
  operands: 0,
  execute: async (args, world) => (await import('../keep/run.ts')).sweep(args, world),
};

/** `dadip2p purge`: has a root forget a blob, a repository or an origin. */
export const PURGE: Command = {
  name: 'purge',
  usage: 'purge [flags]',
  summary: 'have a root forget a blob, a repository or an origin',
  flags: [
    ...ROOT_FLAGS,
    { name: 'blob', value: 'URL', help: 'by URL, or by digest' },
    {
      name: 'repository',
      value: 'NAME',
      help: 'alpine, ghcr.io/owner/name, or a URL; one that ends in / is all below',
    },
    { name: 'origin', value: 'URL', help: 'scheme://host[:port]' },
  ],
  operands: 0,
  execute: async (args, world) => (await import('../keep/run.ts')).purge(args, world),
};

/** `dadip2p cost`: what a root costs a day. */
export const COST: Command = {
  name: 'cost',
  usage: 'cost [flags]',
  summary: 'tell what a root has used, and what that costs at list prices',
  flags: [...ROOT_FLAGS, { name: 'days', value: 'N', help: 'the last so many days, at most 31 (7)' }],
  operands: 0,
  execute: async (args, world) => (await import('../keep/run.ts')).cost(args, world),
};
