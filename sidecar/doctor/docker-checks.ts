import type { HostFiles } from '../setup/host-files.ts';
import type { Wiring } from '../setup/wiring.ts';
import { type Check, failed, ok, skipped } from './check.ts';
import { askDocker, findDaemons, flagValue } from './daemon.ts';

const CONFIG = '/etc/docker/daemon.json';
const SOCKET = '/var/run/docker.sock';

/** That dockerd reads the file that setup writes, and has read it since. */
export function dockerChecks({ agent }: Wiring, usesProxy: boolean, files: HostFiles): Check[] {
  return [
    {
      name: 'dockerd reads its configuration',
      run() {
        const daemons = findDaemons('dockerd', files);
        if (daemons.length === 0) return skipped('dockerd does not run here');
        const named = daemons.map(({ args }) => flagValue(args, 'config-file') ?? CONFIG);
        const daemon = daemons[named.indexOf(CONFIG)];
        if (daemon === undefined) {
          return failed(
            `dockerd runs with --config-file ${named.join(', ')}, and does not read ${CONFIG}`,
            `take the flag out of its unit, or copy registry-mirrors and proxies to that file`,
          );
        }
        if (flagValue(daemon.args, 'registry-mirror') === undefined) return ok(CONFIG);
        return failed(
          `dockerd runs with --registry-mirror, and will not start with that and ${CONFIG} saying it`,
          'take the flag out of its unit (systemctl cat docker), and put that mirror into the file',
        );
      },
    },
    {
      name: 'dockerd knows of the agent',
      async run(signal) {
        const info = await askDocker(files.locate(SOCKET), signal);
        if (info === undefined) return skipped(`dockerd does not answer at ${SOCKET}`);
        const mirrors = (info.RegistryConfig?.Mirrors ?? []).map((url) => url.replace(/\/$/, ''));
        if (!mirrors.includes(agent)) {
          const has = mirrors.length === 0 ? 'no mirrors' : `the mirrors ${mirrors.join(', ')}`;
          return failed(
            `dockerd runs with ${has}, without ${agent}: it has not read ${CONFIG} since that was written`,
            'run: systemctl reload docker',
          );
        }
        if (usesProxy && info.HttpsProxy?.replace(/\/$/, '') !== agent) {
          return failed(
            `dockerd runs with ${info.HttpsProxy ? `the proxy ${info.HttpsProxy}` : 'no proxy'}, not ${agent}`,
            'run: systemctl restart docker',
          );
        }
        return ok(`it runs with the mirror ${agent}`);
      },
    },
  ];
}
