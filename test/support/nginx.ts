import { readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { get } from './client.ts';
import { freePort, startDaemon } from './daemon.ts';
import { findExecutable } from './programs.ts';
import { tempDir } from './temp-dir.ts';

/** One line of nginx's access log. */
export interface NginxHit {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  /** Bytes of the body sent. */
  readonly bytes: number;
  readonly range: string | undefined;
}

/** nginx as an origin: serves a folder of its own. */
export interface Nginx extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** The folder it serves. */
  readonly folder: string;
  /** Puts a file, its folders too, in the folder; returns its URL. */
  put(name: string, bytes: Uint8Array): Promise<string>;
  /** What it was asked so far; a request is there once its reply has ended. */
  hits(): NginxHit[];
}

/** Starts nginx on a free port; `extra` is configuration for its `server` block. */
export async function startNginx({ extra = '' }: { readonly extra?: string } = {}): Promise<Nginx> {
  const dir = await tempDir();
  const folder = join(dir.path, 'www');
  const log = join(dir.path, 'access.log');
  await mkdir(folder);
  // Started by root, its workers are another user.
  await Promise.all([chmod(dir.path, 0o755), chmod(folder, 0o755)]);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const file = join(dir.path, 'nginx.conf');
  await writeFile(file, configOf(dir.path, port, extra));
  const program = findExecutable('nginx') ?? 'nginx';
  const isUp = async () => (await get(`${url}/is-up`)).status > 0;
  const daemon = await startDaemon(program, ['-p', dir.path, '-c', file, '-e', 'stderr'], isUp);
  return {
    url,
    port,
    pid: daemon.pid,
    folder,
    async put(name, bytes) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), bytes);
      return new URL(name, `${url}/`).href;
    },
    hits: () =>
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line !== '' && !line.includes('\t/is-up\t'))
        .map(hitOf),
    async [Symbol.asyncDispose]() {
      // SIGTERM, so that the master takes its workers along.
      await daemon.stop('SIGTERM');
      await dir[Symbol.asyncDispose]();
    },
  };
}

function hitOf(line: string): NginxHit {
  const [method = '', url = '', status, bytes, range] = line.split('\t');
  return {
    method,
    url,
    status: Number(status),
    bytes: Number(bytes),
    range: range === '-' ? undefined : range,
  };
}

const configOf = (dir: string, port: number, extra: string) => `
daemon off;
worker_processes 1;
pid ${dir}/nginx.pid;
events { worker_connections 1024; }
http {
  log_format hits '$request_method\\t$request_uri\\t$status\\t$body_bytes_sent\\t$http_range';
  access_log ${dir}/access.log hits;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  sendfile on;
  default_type application/octet-stream;
  server {
    listen 127.0.0.1:${port};
    root ${dir}/www;
    ${extra}
  }
}
`;
