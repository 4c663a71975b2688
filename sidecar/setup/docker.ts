import type { Edit, RuntimePlan } from './edit.ts';
import type { FileView } from './host-files.ts';
import type { Interception } from './interception.ts';
import { editJson, type JsonChange, parseJsonObject } from './json.ts';
import { refuse } from './refuse.ts';
import { decodeText } from './text.ts';
import { trustEdits } from './trust.ts';
import type { Wiring } from './wiring.ts';

const CONFIG = '/etc/docker/daemon.json';
const CERTIFICATES = '/etc/docker/certs.d';
const DROP_INS = '/etc/systemd/system/docker.service.d';
const RELOAD = 'systemctl reload docker';
const RESTART = 'systemctl restart docker';
// dockerd took the key `proxies` into daemon.json with this version; before, only its environment says.
const PROXIES_SINCE = 23;
const HUB = 'docker.io';
// Docker Hub goes by the mirror, which dockerd does without when the agent is away; by a proxy it cannot. Nor does
// dockerd read certs.d for it.
const NOT_BY_PROXY = ['localhost', '127.0.0.0/8', HUB, 'docker.com'];

/**
 * dockerd: `registry-mirrors` for Docker Hub, and the proxy, with the certificates to trust, for other registries.
 *
 * @param major dockerd's major version; `undefined` when it is not known, and taken for a recent one.
 * @see https://docs.docker.com/reference/cli/dockerd/
 */
export function planDocker(wiring: Wiring, files: FileView, major: number | undefined): RuntimePlan {
  const bytes = files.read(CONFIG);
  const config = parseJsonObject(CONFIG, bytes === undefined ? '' : decodeText(CONFIG, bytes));
  const hasProxies = major === undefined || major >= PROXIES_SINCE;
  const { agent, interception } = wiring;
  if (interception === undefined) return { edits: [daemonEdit(agent, false)], usesProxy: false, notes: [] };
  const other = otherProxy(config, files, agent);
  if (other !== undefined) {
    const note = `${other}: dockerd has a proxy already, which stays; only Docker Hub comes by the agent`;
    return { edits: [daemonEdit(agent, false)], usesProxy: false, notes: [note] };
  }
  // dockerd takes every .crt in a host's folder for an authority of that host, beside those of the system.
  const trusting = { runtime: 'docker', folder: CERTIFICATES, restart: RESTART } as const;
  const trust = trustEdits(withoutHub(interception), trusting, files);
  const proxy = hasProxies ? [] : [dropInEdit(agent)];
  const edits = [daemonEdit(agent, hasProxies), ...proxy, ...trust.edits];
  const notes =
    major === undefined
      ? [
          `dockerd's version is not known, and taken for ${PROXIES_SINCE} or later: an earlier one does not start with "proxies"; say which by --docker-version`,
        ]
      : [];
  return { edits, usesProxy: true, notes: [...trust.notes, ...notes] };
}

function daemonEdit(agent: string, isProxied: boolean): Edit {
  return {
    path: CONFIG,
    purpose: 'mirror',
    activate: isProxied ? RESTART : RELOAD,
    apply(text = '') {
      const config = parseJsonObject(CONFIG, text);
      return editJson(text, [
        ...mirrorChange(config['registry-mirrors'], agent),
        ...(isProxied ? proxyChanges(config.proxies, agent) : []),
      ]);
    },
  };
}

function mirrorChange(mirrors: unknown, agent: string): JsonChange[] {
  const key = 'registry-mirrors';
  if (mirrors === undefined) return [{ at: [key], value: [agent] }];
  if (!Array.isArray(mirrors)) throw refuse(CONFIG, `"${key}" is not a list`, 'correct it');
  const isThere = mirrors.some((mirror) => String(mirror).replace(/\/$/, '') === agent);
  return isThere ? [] : [{ at: [key, 0], value: agent, isInserted: true }];
}

function proxyChanges(proxies: unknown, agent: string): JsonChange[] {
  const value = { 'http-proxy': agent, 'https-proxy': agent, 'no-proxy': NOT_BY_PROXY.join(',') };
  if (proxies === undefined) return [{ at: ['proxies'], value }];
  const old = proxies as Record<string, unknown>;
  return Object.entries(value)
    .filter(([key]) => old[key] === undefined)
    .map(([key, text]) => ({ at: ['proxies', key], value: text }));
}

/** Where dockerd is told of a proxy that is not the agent. */
function otherProxy(config: Record<string, unknown>, files: FileView, agent: string): string | undefined {
  const proxies = config.proxies;
  if (proxies !== undefined && (typeof proxies !== 'object' || proxies === null)) {
    throw refuse(CONFIG, '"proxies" is not an object', 'correct it');
  }
  const named = Object.entries(proxies ?? {}).some(
    ([key, value]) => key !== 'no-proxy' && value !== '' && String(value).replace(/\/$/, '') !== agent,
  );
  if (named) return CONFIG;
  return files
    .list(DROP_INS)
    .filter((name) => name.endsWith('.conf'))
    .map((name) => `${DROP_INS}/${name}`)
    .find((path) => {
      const values = [
        ...(files.read(path)?.toString() ?? '').matchAll(/^\s*Environment=.*?\bHTTPS?_PROXY=([^"'\s]*)/gim),
      ];
      return values.some(([, value]) => value !== '' && value?.replace(/\/$/, '') !== agent);
    });
}

function dropInEdit(agent: string): Edit {
  return {
    path: `${DROP_INS}/dadip2p.conf`,
    purpose: 'proxy',
    activate: `systemctl daemon-reload && ${RESTART}`,
    apply: () =>
      [
        '# Made by "dadip2p setup"; "dadip2p uninstall" removes it.',
        '[Service]',
        `Environment="HTTP_PROXY=${agent}" "HTTPS_PROXY=${agent}" "NO_PROXY=${NOT_BY_PROXY.join(',')}"`,
        '',
      ].join('\n'),
  };
}

const withoutHub = (interception: Interception): Interception => ({
  ...interception,
  hosts: interception.hosts.filter(
    (host) => !NOT_BY_PROXY.some((part) => host === part || host.endsWith(`.${part}`)),
  ),
});
