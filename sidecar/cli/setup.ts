import type { Flag } from './arguments.ts';
import type { Command } from './command.ts';
import { CONFIG_FLAG } from './node-settings.ts';

const EDIT_FLAGS: readonly Flag[] = [
  { name: 'dry-run', help: 'show what would be changed, and change nothing' },
  { name: 'yes', short: 'y', help: 'do not ask before changing it' },
];

/** The flags of all commands that look at what belongs to a runtime. */
export const ROOT_FLAG: Flag = {
  name: 'root',
  value: 'DIR',
  help: "where the host's files are, for an image that is being built (/)",
};

export const DOCKER_VERSION_FLAG: Flag = {
  name: 'docker-version',
  value: 'VERSION',
  help: 'of the dockerd that will read the files; unless told, the dockerd on this host is asked',
};

// Both are loaded when they are run: the editors of foreign files are of no use to a node, and take 10 MB.

/** `dadip2p setup RUNTIME`: makes a container runtime pull through the agent. */
export const SETUP: Command = {
  name: 'setup',
  usage: 'setup RUNTIME [flags]',
  summary: 'let docker, containerd or podman pull through the agent',
  flags: [CONFIG_FLAG, ...EDIT_FLAGS, ROOT_FLAG, DOCKER_VERSION_FLAG],
  operands: 1,
  execute: async (args, world) => (await import('../setup/run.ts')).setUp(args, world),
};

/** `dadip2p uninstall RUNTIME`: puts back what `setup` changed. */
export const UNINSTALL: Command = {
  name: 'uninstall',
  usage: 'uninstall RUNTIME [flags]',
  summary: 'put back what setup changed, byte for byte',
  flags: [...EDIT_FLAGS, ROOT_FLAG],
  operands: 1,
  execute: async (args, world) => (await import('../setup/run.ts')).uninstall(args, world),
};
