import type { Command } from './command.ts';
import { CONFIG_FLAG } from './node-settings.ts';

/** `dadip2p warm IMAGE|URL…`: has a root fetch what will be asked for, and agents too. */
export const WARM: Command = {
  name: 'warm',
  usage: 'warm IMAGE|URL... [flags]',
  summary: 'have a root, and agents, fetch images and URLs before anybody asks for them',
  flags: [
    CONFIG_FLAG,
    { name: 'root', value: 'URL', help: 'the root; unless told, the first of P2PConfig.RootList' },
    { name: 'token', value: 'TOKEN', help: 'what opens its API; unless told, the first of Admin.Tokens' },
    {
      name: 'platform',
      value: 'PLATFORM',
      help: 'of images that have several: os/architecture[/variant], or all; repeatable (linux/amd64)',
    },
    { name: 'agent', value: 'URL', help: 'P2P port of an agent that is to have it too; repeatable' },
    {
      name: 'logins',
      value: 'FILE',
      help: "Docker's config.json, whose logins for the registries of these images go to the root with them",
    },
  ],
  operands: Number.POSITIVE_INFINITY,
  // Nothing of it is of use to a node.
  execute: async (args, world) => (await import('../warm/run.ts')).warm(args, world),
};
