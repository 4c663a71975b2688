import { statSync } from 'node:fs';
import type { HostFiles } from '../setup/host-files.ts';
import { type Check, failed, ok, skipped } from './check.ts';
import { findDaemons, flagValue } from './daemon.ts';

const CONFIG = '/etc/containerd/config.toml';

/** That containerd reads the file that names the hosts' folder, and has read it since. */
export const containerdChecks = (files: HostFiles): Check[] => [
  {
    name: 'containerd reads its configuration',
    run() {
      // Those that others start, dockerd for one, have configurations of their own.
      const daemons = findDaemons('containerd', files);
      if (daemons.length === 0) return skipped('containerd does not run here');
      const named = daemons.map(({ args }) => flagValue(args, 'c', 'config') ?? CONFIG);
      const daemon = daemons[named.indexOf(CONFIG)];
      if (daemon === undefined) {
        return failed(
          `containerd runs with --config ${named.join(', ')}, and does not read ${CONFIG}`,
          `set config_path there as in ${CONFIG}, or take the flag out of its unit`,
        );
      }
      const changedAtMs = files.read(CONFIG) === undefined ? 0 : statSync(files.locate(CONFIG)).mtimeMs;
      if (changedAtMs <= daemon.startedAtMs) return ok(`it has read ${CONFIG}`);
      return failed(
        `${CONFIG} was changed after containerd was started`,
        'run: systemctl restart containerd (containers go on running)',
      );
    },
  },
];
