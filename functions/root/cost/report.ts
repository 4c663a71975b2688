import type { Records } from '../records.ts';
import type { Shelf } from '../shelf.ts';
import { lastReport } from '../sweep/state.ts';
import { PRICES } from './prices.ts';
import { dayOf, noUsage, USAGE_FOLDER, type UsageCounts } from './usage.ts';

/** What a day has cost, dollars. */
export interface DayCost extends UsageCounts {
  readonly day: string;
  /** Processes that have told what they used. */
  readonly processes: number;
  readonly dollars: {
    readonly requests: number;
    readonly functions: number;
    /** Of what the last sweep found kept; nothing where there was none. */
    readonly storage: number;
    /** All of these. */
    readonly total: number;
    /** What would come on top if all that agents read from S3 left the region. */
    readonly transferIfOutside: number;
  };
}

/** What a root costs, as far as its processes have told. */
export interface CostReport {
  readonly days: readonly DayCost[];
  /** Bytes that the last sweep found kept. */
  readonly keptBytes: number | undefined;
  readonly prices: typeof PRICES;
  readonly notCounted: string;
}

const NOT_COUNTED =
  'the last five minutes of instances that ended; starts of functions beyond their first call; logs and alarms; requests of agents to S3 beyond one a chunk they were told of; transfer, which is free within the region';
const DAY_MS = 24 * 60 * 60_000;
const GiB = 2 ** 30;
const DAYS_A_MONTH = 30;
// Records read at one time.
const TOGETHER = 32;

/** The cost of the last so many days, today first. */
export async function costReport(
  { shelf, records }: { readonly shelf: Pick<Shelf, 'pages'>; readonly records: Records },
  days: number,
  nowMs: number,
): Promise<CostReport> {
  const keptBytes = (await lastReport(records))?.found.bytes;
  const told: DayCost[] = [];
  for (let back = 0; back < days; back += 1) {
    const day = dayOf(nowMs - back * DAY_MS);
    const names: string[] = [];
    for await (const page of shelf.pages(`${USAGE_FOLDER}${day}/`))
      names.push(...page.map(({ name }) => name));
    told.push(priceDay(day, await sumOf(names, records), names.length, keptBytes ?? 0));
  }
  return { days: told, keptBytes, prices: PRICES, notCounted: NOT_COUNTED };
}

/** What some use costs at list prices. */
function priceDay(day: string, used: UsageCounts, processes: number, keptBytes: number): DayCost {
  // An agent reads each chunk that it was told of once.
  const requests = used.s3Writes * PRICES.s3Write + (used.s3Reads + used.lentChunks) * PRICES.s3Read;
  const functions = used.calls * PRICES.lambdaCall + used.gbSeconds * PRICES.lambdaGBSecond;
  const storage = ((keptBytes / GiB) * PRICES.s3GBMonth) / DAYS_A_MONTH;
  const transferIfOutside = (used.lentBytes / GiB) * PRICES.transferGB;
  const dollars = { requests, functions, storage, total: requests + functions + storage, transferIfOutside };
  return { day, processes, ...used, dollars };
}

async function sumOf(names: readonly string[], records: Records): Promise<UsageCounts> {
  const sum = noUsage();
  for (let at = 0; at < names.length; at += TOGETHER) {
    const some = names.slice(at, at + TOGETHER);
    for (const counts of await Promise.all(some.map((name) => records.get<UsageCounts>(name)))) {
      for (const field of Object.keys(sum) as (keyof UsageCounts)[]) sum[field] += counts?.[field] ?? 0;
    }
  }
  return sum;
}
