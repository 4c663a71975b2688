import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { get } from './client.ts';
import { type Daemon, freePort, startDaemon } from './daemon.ts';
import type { S3Server } from './s3-server.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);

/**
 * Ceph's S3 gateway over one monitor and one disk in memory: a second real S3 server, for machines without
 * MinIO. Takes some fifteen seconds and half a GB of memory.
 */
export async function startRadosgw({
  bucket,
  region,
}: {
  bucket: string;
  region: string;
}): Promise<S3Server> {
  const dir = await tempDir();
  const daemons: Daemon[] = [];
  const dispose = async () => {
    for (const daemon of daemons.reverse()) await daemon.stop('SIGKILL');
    await dir[Symbol.asyncDispose]();
  };
  try {
    const [monPort, v1Port, port] = [await freePort(), await freePort(), await freePort()];
    const endpoint = `http://127.0.0.1:${port}`;
    const conf = join(dir.path, 'ceph.conf');
    const address = `[v2:127.0.0.1:${monPort},v1:127.0.0.1:${v1Port}]`;
    const fsid = randomUUID();
    await writeFile(conf, confOf(dir.path, fsid, address, port));
    for (const folder of ['mon', 'osd', 'run', 'log']) await mkdir(join(dir.path, folder));

    const monMap = join(dir.path, 'monmap');
    await run('monmaptool', [
      '-c',
      conf,
      '--create',
      '--clobber',
      '--fsid',
      fsid,
      '--addv',
      'a',
      address,
      monMap,
    ]);
    await run('ceph-mon', ['-c', conf, '--mkfs', '-i', 'a', '--monmap', monMap, '--keyring', '/dev/null']);
    const answers = () => run('ceph', ['-c', conf, '--connect-timeout', '2', 'status']).then(yes, no);
    daemons.push(await startDaemon('ceph-mon', ['-c', conf, '-f', '-i', 'a'], answers));

    const osdId = randomUUID();
    await run('ceph', ['-c', conf, 'osd', 'new', osdId]);
    await run('ceph-osd', ['-c', conf, '--mkfs', '-i', '0', '--osd-uuid', osdId]);
    daemons.push(await startDaemon('ceph-osd', ['-c', conf, '-f', '-i', '0'], () => true));
    const serves = async () => (await get(endpoint)).status === 200;
    const gateway = ['-c', conf, '-f', '-n', 'client.rgw'];
    daemons.push(await startDaemon('radosgw', gateway, serves));

    const [accessKeyId, secretAccessKey] = ['test-access-key', 'test-secret-key'];
    const user = [
      '--uid=test',
      '--display-name=test',
      `--access-key=${accessKeyId}`,
      `--secret-key=${secretAccessKey}`,
    ];
    await run('radosgw-admin', ['-c', conf, 'user', 'create', ...user]);
    const pid = daemons.at(-1)?.pid ?? 0;
    const keys = { accessKeyId, secretAccessKey };
    return { server: 'radosgw', endpoint, region, ...keys, bucket, pid, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

const yes = () => true;
const no = () => false;

const confOf = (dir: string, fsid: string, monitor: string, port: number) => `
[global]
fsid = ${fsid}
mon host = ${monitor}
auth cluster required = none
auth service required = none
auth client required = none
auth supported = none
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
osd pool default pg num = 8
osd pool default pgp num = 8
mon allow pool size one = true
mon max pg per osd = 1000
run dir = ${dir}/run
log file = ${dir}/log/$name.log
admin socket = ${dir}/run/$name.asok
pid file = ${dir}/run/$name.pid
ms bind ipv6 = false
# The gateway's default, "secure", cannot be had without authentication: it would hang for minutes.
ms mon client mode = crc
public addr = 127.0.0.1
cluster addr = 127.0.0.1
[mon.a]
mon data = ${dir}/mon
[osd]
osd objectstore = memstore
memstore device bytes = 4294967296
osd data = ${dir}/osd
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${port}
rgw run sync thread = false
`;
