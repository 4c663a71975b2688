import { closeSync, openSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256, virtualBlob } from '../support/blob-of.ts';
import { compileC } from '../support/compile.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type Cluster, type ClusterOptions, type NodeMachine, startCluster } from './cluster.ts';
import { type Network, openNetwork } from './network.ts';
import { type Pull, startPull } from './pull.ts';
import { WAYS, type Way } from './ways.ts';

/** A blob that the origin has, under its digest, and that none of our nodes has yet. */
export interface LabBlob {
  readonly size: number;
  readonly path: string;
  readonly digest: string;
  /** What a client compares with. */
  readonly file: string;
  readonly seed: string;
  /** Of all reads of it through agents (W3C Trace Context). */
  readonly trace: string;
}

/** A cluster on a network, with clients on its hosts. */
export interface Lab extends AsyncDisposable {
  readonly dir: string;
  readonly network: Network;
  readonly cluster: Cluster;
  /** Gives the origin a blob that it did not have. Its file is there until `drop`. */
  addBlob(size: number): Promise<LabBlob>;
  dropBlob(blob: LabBlob): Promise<void>;
  /** Gives an origin that was started anew what it had. */
  restock(blob: LabBlob): Promise<void>;
  /** A client on an agent's host that reads a blob through it. */
  pull(agent: NodeMachine, blob: LabBlob, way: Way, idleSeconds?: number): Pull;
  /** The same on any host, past our nodes, to see what its link can do. */
  pullDirectly(agent: NodeMachine, blob: LabBlob): Pull;
}

/** How a lab is set up. */
export interface LabOptions extends Omit<ClusterOptions, 'dir'> {
  /** Rate of each host's link, both ways. */
  readonly mbit: number;
  /** Done before the first program starts, in a folder that all of the lab is in. */
  readonly prepare?: (dir: string) => Promise<void>;
}

// What each client says it is.
const SPAN = '0000000000000001';
const IDLE_SECONDS = 60;
const PIECE_BYTES = 8 * 1024 * 1024;

/** Builds the network and starts all programs. Only in namespaces of its own: see `runIsolated`. */
export async function openLab(options: LabOptions): Promise<Lab> {
  const dir = await tempDir();
  const program = compileC(new URL('pull.c', import.meta.url), dir.path);
  const network = await openNetwork(dir.path, { mbit: options.mbit });
  await options.prepare?.(dir.path);
  const cluster = await startCluster(network, { ...options, dir: dir.path });
  const { originUrl } = cluster;
  let blobs = 0;

  const start = (
    at: NodeMachine,
    { file }: LabBlob,
    asking: { host: string; port: number; target: string; headers: readonly string[] },
    idleSeconds = IDLE_SECONDS,
  ) => startPull({ program, at: at.host, rightFile: file, idleSeconds, ...asking });

  const lab: Lab = {
    dir: dir.path,
    network,
    cluster,
    async addBlob(size) {
      blobs += 1;
      const seed = `lab ${blobs}`;
      const bytes = virtualBlob(size, seed);
      const file = join(dir.path, `blob-${blobs}`);
      writeBlob(file, bytes);
      const digest = `sha256:${sha256(bytes)}`;
      const blob: LabBlob = {
        size,
        seed,
        file,
        digest,
        path: `/v2/lab/blobs/${digest}`,
        trace: digest.slice(-32),
      };
      await lab.restock(blob);
      return blob;
    },
    dropBlob: ({ file }) => rm(file),
    async restock({ path, size, seed }) {
      await cluster.origin.program.tell({ put: path, size, seed });
    },
    pull(agent, blob, way, idleSeconds) {
      const { port, target, headers } = WAYS[way](originUrl, blob.path);
      const traced = [...headers, `traceparent: 00-${blob.trace}-${SPAN}-01`];
      return start(agent, blob, { host: '127.0.0.1', port, target, headers: traced }, idleSeconds);
    },
    pullDirectly(agent, blob) {
      const { hostname, host, port } = new URL(originUrl);
      const asking = { target: blob.path, headers: [`Host: ${host}`] };
      return start(agent, blob, { host: hostname, port: Number(port || 80), ...asking });
    },
    async [Symbol.asyncDispose]() {
      await cluster[Symbol.asyncDispose]();
      await network[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
  return lab;
}

/** Puts a blob into a file, for clients to compare with. */
export function writeBlob(file: string, bytes: ReturnType<typeof virtualBlob>): void {
  const to = openSync(file, 'w');
  for (let at = 0; at < bytes.size; at += PIECE_BYTES) writeSync(to, bytes.at(at, PIECE_BYTES));
  closeSync(to);
}
