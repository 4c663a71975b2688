import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, GiB } from './machine.ts';
import type { Running, Scope } from './scope.ts';

/** nginx serving a folder: the origin of every other side, and the static side itself. */
export interface Origin extends Running {
  readonly port: number;
  readonly folder: string;
  /** Requests it has answered, this question excepted. */
  requestsServed(): Promise<number>;
}

// tcp_nopush (Debian's default) makes slices of small ranges wait 40 ms for a delayed ACK, and
// keepalive_requests (1000) would make it reconnect in the middle of a sample: nginx is measured tuned.
const COMMON = `
  access_log off;
  sendfile on;
  tcp_nopush off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  default_type application/octet-stream;
  open_file_cache max=10000 inactive=600s;
  open_file_cache_valid 600s;`;

/**
 * `/cold/<anything>/name` is the same file as `/name`: a fresh URL is cold in every cache while its bytes stay
 * hot in the origin's page cache.
 */
export async function startOrigin(scope: Scope): Promise<Origin> {
  const port = await freePort();
  const folder = join(scope.dir, 'origin');
  mkdirSync(folder, { recursive: true });
  const running = await startNginx(
    scope,
    'nginx-origin',
    port,
    `
    location = /_status { stub_status; }
    location / { root ${folder}; rewrite ^/cold/[^/]+/(.*)$ /$1 break; }`,
  );
  let asked = 0;
  return {
    ...running,
    port,
    folder,
    requestsServed: async () => {
      const text = await (await fetch(`http://127.0.0.1:${port}/_status`)).text();
      asked += 1;
      return Number(/^ \d+ \d+ (\d+)/m.exec(text)?.[1]) - asked;
    },
  };
}

/**
 * nginx's slice cache in 4 MiB pieces in front of `upstreamPort`, as fast as we could make it. Of its own buffers,
 * 64 KiB, 256 KiB and 1 MiB, 32 KiB ones were the fastest cold; without the lock four readers of one blob fetch it
 * more than once; sendfile_max_chunk made no difference; with `aio threads` nginx 1.22 stalls in slices.
 */
export async function startSliceCache(scope: Scope, upstreamPort: number, name: string) {
  const port = await freePort();
  const cache = join(scope.dir, name, 'cache');
  const running = await startNginx(
    scope,
    name,
    port,
    `
    location / {
      slice 4m;
      proxy_pass http://upstream;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Range $slice_range;
      proxy_cache blobs;
      proxy_cache_key $uri$is_args$args$slice_range;
      proxy_cache_valid 200 206 1d;
      proxy_cache_lock on;
      proxy_buffer_size 16k;
      proxy_buffers 32 32k;
      proxy_busy_buffers_size 256k;
    }`,
    `
  proxy_cache_path ${cache} levels=1:2 keys_zone=blobs:16m max_size=${(8 * GiB) / 1024 ** 2}m inactive=1d use_temp_path=off;
  upstream upstream { server 127.0.0.1:${upstreamPort}; keepalive 32; }`,
  );
  return { ...running, port };
}

async function startNginx(scope: Scope, name: string, port: number, locations: string, http = '') {
  const prefix = join(scope.dir, name);
  mkdirSync(prefix, { recursive: true });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${prefix}/${kind};`)
    .join(' ');
  // Workers drop to nobody when the master is root, and could then not read a private directory.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const config = `${user}
worker_processes 2;
daemon off;
pid ${prefix}/pid;
error_log stderr warn;
events { worker_connections 4096; }
http {${COMMON}
  ${temporary}${http}
  server {
    listen 127.0.0.1:${port} backlog=1024;${locations}
  }
}
`;
  const path = join(prefix, 'nginx.conf');
  writeFileSync(path, config);
  return scope.start({
    name,
    command: 'nginx',
    args: ['-p', prefix, '-e', 'stderr', '-c', path],
    isReady: async (signal) => (await fetch(`http://127.0.0.1:${port}/`, { signal })).status > 0,
  });
}
