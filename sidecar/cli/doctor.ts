import type { Command } from './command.ts';
import { CONFIG_FLAG } from './node-settings.ts';
import { DOCKER_VERSION_FLAG, ROOT_FLAG } from './setup.ts';

/** `dadip2p doctor RUNTIME`: says which link between a runtime and the origins is broken, and what to do. */
export const DOCTOR: Command = {
  name: 'doctor',
  usage: 'doctor RUNTIME [flags]',
  summary: 'check each link from the runtime to the origins, and say what to do',
  flags: [
    CONFIG_FLAG,
    { name: 'image', value: 'NAME', help: 'an image to read a little of: registry/repository:tag' },
    { name: 'json', help: 'print the results as JSON' },
    ROOT_FLAG,
    DOCKER_VERSION_FLAG,
  ],
  operands: 1,
  execute: async (args, world) => (await import('../doctor/run.ts')).examine(args, world),
};
