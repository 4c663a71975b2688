import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, type Result, starSeconds } from './cases.ts';
import { drawChart } from './chart.ts';

const JSON_NAME = 'results.json';
const SVG_NAME = 'results.svg';

/** What is recorded in a folder: kept after each case, for the last ones take long, and gone on with by the next run. */
export class Results {
  readonly #dir: string;
  readonly #byCase: Map<string, Result>;

  private constructor(dir: string, results: readonly Result[]) {
    this.#dir = dir;
    this.#byCase = new Map(results.map((one) => [nameOf(one), one]));
  }

  static open(dir: string): Results {
    const path = join(dir, JSON_NAME);
    return new Results(dir, existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : []);
  }

  has(one: Case): boolean {
    return this.#byCase.has(nameOf(one));
  }

  async add(result: Result): Promise<void> {
    this.#byCase.set(nameOf(result), result);
    const results = [...this.#byCase.values()];
    mkdirSync(this.#dir, { recursive: true });
    writeFileSync(join(this.#dir, JSON_NAME), `${JSON.stringify(results, null, 1)}\n`);
    writeFileSync(join(this.#dir, SVG_NAME), await drawChart(results));
  }

  /** As a table in Markdown: times as multiples of the ideal, loads as multiples of the blob. */
  table(): string {
    const head = [
      'set-up',
      'hosts',
      'way',
      'faults',
      'p50',
      'p99',
      'p99.9',
      'star',
      'origin',
      'S3',
      'uplink',
    ];
    const rows = [...this.#byCase.values()]
      .sort((a, b) => b.setup.localeCompare(a.setup) || a.way.localeCompare(b.way) || a.hosts - b.hosts)
      .map(({ setup, hosts, way, fault, outcome }) => {
        const { idealSeconds, p50, p99, p999, originBlobs, s3Blobs, maxUplinkBlobs } = outcome;
        const times = [p50, p99, p999, starSeconds({ setup, hosts })].map(
          (seconds) => seconds / idealSeconds,
        );
        return [
          ...[setup, hosts.toLocaleString('en'), way, fault],
          ...[...times, originBlobs, s3Blobs, maxUplinkBlobs].map((times) => times.toFixed(2)),
        ];
      });
    return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  }
}

/** All that makes two cases differ. */
const nameOf = ({ setup, way, hosts, fault, chunkBytes, seed }: Case): string =>
  JSON.stringify([setup, way, hosts, fault, chunkBytes, seed]);
