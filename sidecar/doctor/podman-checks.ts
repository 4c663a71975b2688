import type { World } from '../cli/command.ts';
import type { HostFiles } from '../setup/host-files.ts';
import { type Check, failed, ok } from './check.ts';

/** That podman, run by this user, reads the files that setup writes. */
export const podmanChecks = (files: HostFiles, { env, home }: World): Check[] => [
  {
    name: 'podman reads its configuration',
    run() {
      const named = env.CONTAINERS_REGISTRIES_CONF;
      if (named) {
        return failed(
          `CONTAINERS_REGISTRIES_CONF names ${named}, which is read in place of the host's files`,
          'unset it where podman runs, or copy the [[registry]] table there',
        );
      }
      const own = `${home}/.config/containers/registries.conf`;
      if (files.read(own) === undefined) return ok('the files of the host');
      return failed(
        `${own} is read in place of the host's files, its drop-ins included`,
        `move it to ${own}.d/10-own.conf, or copy the [[registry]] table there`,
      );
    },
  },
];
