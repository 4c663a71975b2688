import { applySetup, applyUndo } from '../../sidecar/setup/apply.ts';
import { type Changes, planSetup, planUndo } from '../../sidecar/setup/changes.ts';
import { planContainerd } from '../../sidecar/setup/containerd.ts';
import { planDocker } from '../../sidecar/setup/docker.ts';
import { HostFiles } from '../../sidecar/setup/host-files.ts';
import { type Runtime, readManifest } from '../../sidecar/setup/manifest.ts';
import { planPodman } from '../../sidecar/setup/podman.ts';
import type { Wiring } from '../../sidecar/setup/wiring.ts';

const HUB = { name: 'docker.io', origin: 'https://registry-1.docker.io' };

/** An agent that mirrors Docker Hub and quay.io. */
export const MIRRORING: Wiring = {
  agent: 'http://127.0.0.1:19245',
  registries: [HUB, { name: 'quay.io', origin: 'https://quay.io' }],
  defaultRegistry: HUB,
};

/** The same that intercepts HTTPS to two hosts. */
export const INTERCEPTING: Wiring = {
  ...MIRRORING,
  interception: {
    authority: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    hosts: ['quay.io', 'registry.test:5000'],
    isWide: false,
  },
};

const PLANNERS = {
  docker: (wiring: Wiring, files: HostFiles) => planDocker(wiring, files, 28),
  /** With more intercepted hosts than can be listed. */
  'docker, wide': ({ interception, ...wiring }: Wiring, files: HostFiles) =>
    planDocker(
      interception === undefined ? wiring : { ...wiring, interception: { ...interception, isWide: true } },
      files,
      28,
    ),
  'docker 20': (wiring: Wiring, files: HostFiles) => planDocker(wiring, files, 20),
  containerd: planContainerd,
  podman: planPodman,
};

/** A runtime, or docker at a version that has no `proxies` in its configuration. */
export type Kind = keyof typeof PLANNERS;

const runtimeOf = (kind: Kind): Runtime => (kind === 'containerd' || kind === 'podman' ? kind : 'docker');

/** `dadip2p setup` on prepared files; gives what it did. */
export function setUp(kind: Kind, root: string, wiring: Wiring): Changes {
  const files = new HostFiles(root);
  const manifest = readManifest(files);
  const plan = planSetup(
    (view) => PLANNERS[kind](wiring, view as HostFiles),
    files,
    manifest.runtimes[runtimeOf(kind)] ?? [],
  );
  if (plan.changes.length > 0) applySetup(runtimeOf(kind), plan, files, manifest);
  return plan;
}

/** `dadip2p uninstall` on prepared files; gives what it did. */
export function takeDown(kind: Kind, root: string): Changes {
  const files = new HostFiles(root);
  const manifest = readManifest(files);
  const plan = planUndo(manifest.runtimes[runtimeOf(kind)] ?? [], files);
  applyUndo(runtimeOf(kind), plan, files, manifest);
  return plan;
}
