import { P2PError } from '../../functions/protocol/errors.ts';
import type { CostReport } from '../../functions/root/cost/report.ts';
import type { PurgeReport } from '../../functions/root/purge/purge.ts';
import type { SweepReport } from '../../functions/root/sweep/report.ts';
import { HttpClient } from '../../functions/service/http-client.ts';
import { loadTrust } from '../../functions/service/trust.ts';
import type { Arguments } from '../cli/arguments.ts';
import type { World } from '../cli/command.ts';
import { nodeSettings } from '../cli/node-settings.ts';
import { RootApi } from '../warm/root-api.ts';
import { formatBytes } from '../warm/show.ts';
import { nodeUrl } from '../warm/wish.ts';

// A dry run of a large store is one request.
const LIMITS = { connectMs: 5_000, firstByteMs: 15 * 60_000, idleMs: 30_000, connections: 1 };
const NEVER = new AbortController().signal;

/** `dadip2p sweep`: prints what went, or with `--dry-run` each blob that would go. */
export const sweep = (args: Arguments, world: World): Promise<void> =>
  withRoot(args, world, async (api) => {
    const dryRun = args.flags.has('dry-run');
    let report: SweepReport;
    do report = await api.ask<SweepReport>('POST', '/api/v1/sweep', NEVER, { dryRun });
    while (!report.isDone && !dryRun);
    for (const { folder, source, bytes, idleMs, reason } of report.doomed ?? []) {
      const hours = Math.round(idleMs / 3_600_000);
      world.print(`${reason}, unused for ${hours} h: ${formatBytes(bytes)} of ${source ?? folder}`);
    }
    world.print(
      `${report.found.blobs} blobs of ${formatBytes(report.found.bytes)} were found; ${dryRun ? 'would go' : 'went'}:`,
    );
    for (const [reason, { blobs, bytes }] of Object.entries(report.removed))
      world.print(`  ${reason}: ${blobs} blobs, ${formatBytes(bytes)}`);
    if (report.overBytes > 0)
      world.print(`${formatBytes(report.overBytes)} too much stay, for all of them were used of late.`);
    if (!report.isDone) world.print('It did not get to the end of what is kept.');
  });

/** `dadip2p purge`: prints what was forgotten. */
export const purge = (args: Arguments, world: World): Promise<void> =>
  withRoot(args, world, async (api) => {
    const given = ['blob', 'repository', 'origin'].filter((name) => args.flags.has(name));
    const [kind] = given;
    if (kind === undefined || given.length > 1)
      throw new P2PError('CONFIG_INVALID', 'say one of --blob, --repository and --origin');
    const order = { [kind]: args.flags.get(kind)?.at(-1) };
    for (let next: number | undefined = 0; next !== undefined; ) {
      const report: PurgeReport = await api.ask('POST', '/api/v1/purge', NEVER, { ...order, next });
      const { addresses, blobs, bytes, lent, unknown } = report;
      world.print(`${addresses} addresses forgotten, ${blobs} blobs of ${formatBytes(bytes)} removed.`);
      if (lent.blobs > 0)
        world.print(
          `${lent.blobs} more may still be being read: a sweep in ${Math.ceil(lent.waitMs / 60_000)} minutes removes them.`,
        );
      if (unknown > 0)
        world.print(`${unknown} of an earlier version tell of no source: purge those by --blob.`);
      next = report.isDone ? undefined : report.next;
    }
  });

/** `dadip2p cost`: prints a line a day. */
export const cost = (args: Arguments, world: World): Promise<void> =>
  withRoot(args, world, async (api) => {
    const days = args.flags.get('days')?.at(-1) ?? '7';
    const path = `/api/v1/cost?days=${encodeURIComponent(days)}`;
    const report = await api.ask<CostReport>('GET', path, NEVER);
    for (const { day, dollars, s3Writes, s3Reads, lentChunks, lentBytes, calls } of report.days)
      world.print(
        `${day}  $${dollars.total.toFixed(4)}  S3: ${s3Writes} writes, ${s3Reads + lentChunks} reads; ${calls} calls; ${formatBytes(lentBytes)} read by agents, $${dollars.transferIfOutside.toFixed(4)} more if outside of the region`,
      );
    world.print(`Not counted: ${report.notCounted}.`);
  });

async function withRoot(args: Arguments, world: World, work: (api: RootApi) => Promise<void>): Promise<void> {
  const settings = nodeSettings(args, world);
  const { RootList } = settings.P2PConfig;
  const root = args.flags.get('root')?.at(-1) ?? RootList[0];
  const token = args.flags.get('token')?.at(-1) ?? settings.Admin.Tokens[0];
  if (root === undefined)
    throw new P2PError('CONFIG_INVALID', 'no root: say --root URL, or P2PConfig.RootList');
  if (token === undefined)
    throw new P2PError('CONFIG_INVALID', 'no token: say --token TOKEN, or DADIP2P_Admin__Tokens');
  const trust = loadTrust(settings.ExtraCA, world.env.NODE_EXTRA_CA_CERTS);
  const http = new HttpClient({ ...LIMITS, trust });
  try {
    await work(new RootApi(http, nodeUrl(root, '--root'), token));
  } finally {
    await http.close();
  }
}
