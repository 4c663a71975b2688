import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Cri, openCri } from './cri.ts';
import { startDaemon } from './daemon.ts';
import { findExecutable } from './programs.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);

const PULL_MS = 200_000;

/** How a containerd starts. */
export interface ContainerdOptions {
  /** For each registry, the mirror that is asked before it, and from then on the only one that answers. */
  readonly mirrors?: Readonly<Record<string, string>>;
  /** The folder of hosts.toml files, in place of one that is made of `mirrors`. */
  readonly hostsDir?: string;
  /** With the plugin that a kubelet talks to. */
  readonly cri?: boolean;
}

/** A containerd with folders and a socket of its own, and clients of it. */
export interface Containerd extends AsyncDisposable {
  readonly pid: number;
  /** Pulls as `ctr images pull --hosts-dir` does: the client itself asks the registry. An abort kills it. */
  pull(reference: string, options?: { readonly user?: string; readonly signal?: AbortSignal }): Promise<void>;
  /** Removes an image, its layers too, before it returns. */
  remove(reference: string): Promise<void>;
  /** What it keeps under a digest, as it lies on the disk. */
  content(digest: string): Promise<Buffer>;
  /** A kubelet's client; needs `cri`. */
  readonly cri: Cri;
}

/** Starts a containerd. Root only. */
export async function startContainerd({
  mirrors = {},
  hostsDir,
  cri = false,
}: ContainerdOptions = {}): Promise<Containerd> {
  const dir = await tempDir();
  const at = (name: string) => join(dir.path, name);
  const [config, socket, hosts, root] = [
    at('config.toml'),
    at('c.sock'),
    hostsDir ?? at('hosts'),
    at('root'),
  ];
  await writeFile(config, configOf({ root, state: at('state'), opt: at('opt'), socket, hosts, cri }));
  for (const [registry, mirror] of Object.entries(mirrors)) {
    await mkdir(join(hosts, registry), { recursive: true });
    await writeFile(join(hosts, registry, 'hosts.toml'), hostsOf(registry, mirror));
  }
  const ctr = async (args: readonly string[], signal?: AbortSignal) => {
    const abort = signal === undefined ? {} : { signal };
    const options = {
      env: { PATH: process.env.PATH },
      timeout: PULL_MS,
      killSignal: 'SIGKILL' as const,
      ...abort,
    };
    await run(findExecutable('ctr') ?? 'ctr', ['-a', socket, ...args], options);
  };

  const program = findExecutable('containerd') ?? 'containerd';
  const booted = (output: string) => output.includes('containerd successfully booted');
  // In a mount namespace of its own: what it mounts ends with it, however it ends.
  const own = ['--mount', program, '-c', config];
  const daemon = await startDaemon('unshare', own, booted, {
    env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  }).catch(async (cause) => {
    await dir[Symbol.asyncDispose]();
    throw cause;
  });
  const kubelet = openCri(socket);

  return {
    pid: daemon.pid,
    cri: kubelet,
    async pull(reference, { user, signal } = {}) {
      const login = user === undefined ? [] : ['--user', user];
      await ctr(['images', 'pull', '--hosts-dir', hosts, ...login, reference], signal);
    },
    remove: (reference) => ctr(['images', 'rm', '--sync', reference]),
    content: (digest) =>
      readFile(join(root, 'io.containerd.content.v1.content/blobs', digest.replace(':', '/'))),
    async [Symbol.asyncDispose]() {
      kubelet[Symbol.dispose]();
      await daemon.stop();
      await dir[Symbol.asyncDispose]();
    },
  };
}

const hostsOf = (registry: string, mirror: string) => `
server = "https://${registry}"
[host."${mirror}"]
  capabilities = ["pull", "resolve"]
`;

interface Layout {
  readonly root: string;
  readonly state: string;
  readonly opt: string;
  readonly socket: string;
  readonly hosts: string;
  readonly cri: boolean;
}

// Without a path of its own, the "opt" plugin makes /opt/containerd.
const configOf = ({ root, state, opt, socket, hosts, cri }: Layout) => `
version = 2
root = "${root}"
state = "${state}"
disabled_plugins = [${cri ? '' : '"io.containerd.grpc.v1.cri"'}]
[grpc]
  address = "${socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${opt}"
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "${hosts}"
`;
