import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { startMinio } from '../support/minio.ts';
import { startOrigin } from '../support/origin.ts';
import { tempDir } from '../support/temp-dir.ts';
import { functionEnv, s3Env } from '../support/through-function.ts';
import { cpuSecondsOfMachine, MiB } from './machine.ts';
import { median, type Verdict } from './table.ts';

const SIDES = ['node -e 0', 'read', 'plan', 'first plan'] as const;
type StartupSide = (typeof SIDES)[number];

/** One process, from its start to its end. Milliseconds. */
interface StartupSample {
  readonly side: StartupSide;
  readonly round: number;
  readonly wallMs: number;
  readonly cpuMs: number;
}

interface StartupRow {
  readonly side: StartupSide;
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Beyond `node -e 0`, medians of the differences within a round. */
  readonly beyondWallMs: number;
  readonly beyondCpuMs: number;
  /** The least of all rounds against the least of all others: what is left of it where nobody else is at work. */
  readonly beyondLeastMs: number;
}

export interface StartupResult {
  readonly rows: readonly StartupRow[];
  readonly verdicts: readonly Verdict[];
  readonly samples: readonly StartupSample[];
  /** Cores that were busy with something else meanwhile. */
  readonly foreignCores: number;
}

const BUNDLES = fileURLToPath(new URL('../../.esbuild/', import.meta.url));
const BUNDLE = `${BUNDLES}read.js`;
const GOALS: readonly { readonly side: StartupSide; readonly atMostMs: number }[] = [
  { side: 'read', atMostMs: 110 },
  { side: 'plan', atMostMs: 180 },
];
// 64 chunks, as agents ask for them.
const CHUNKS = 64;
const CHUNK_BYTES = MiB / 16;

const USAGE = 'process.stdout.write(JSON.stringify(process.resourceUsage()));process.exit()';
const LOAD = 'const{handler}=await import(process.argv[1]);';
// What a root loads when it is to plan, and before that does without.
const LOAD_S3 = 'await import(process.argv[2]);';
const CALL =
  'const{statusCode}=await handler(JSON.parse(process.argv[2]),{});if(statusCode>206)throw statusCode;';

/**
 * How long a function takes from nothing, beside a process that does nothing, in turns: to load the bundle, to load what
 * plans take as well, and to answer its first plan, of 64 chunks, out of S3.
 *
 * @throws Error when the bundle is not built or a process fails.
 */
export async function measureStartup(rounds: number, report: (line: string) => void): Promise<StartupResult> {
  if (!existsSync(BUNDLE)) throw new Error('the bundle is not built: npm run build');
  await using dir = await tempDir();
  await using s3 = await startMinio();
  await using origin = await startOrigin();
  const bytes = blobOf(CHUNKS * CHUNK_BYTES, 'startup');
  const url = origin.put(`/v2/startup/blobs/sha256:${sha256(bytes)}`, bytes);
  const size = { DADIP2P_P2PConfig__CacheConfig__ChunkSize: String(CHUNK_BYTES) };
  const env = { PATH: process.env.PATH ?? '', ...functionEnv(origin, dir.path, { ...s3Env(s3), ...size }) };
  const event = (headers: Record<string, string>) => JSON.stringify(eventOf(`/dadip2p/${url}`, headers));
  const plan = event({ accept: 'application/vnd.dadip2p.plan+json', range: `bytes=0-${bytes.length - 1}` });
  await run([`${LOAD}${CALL}${USAGE}`, BUNDLE, event({})], env);

  const args: Record<StartupSide, readonly string[]> = {
    'node -e 0': [USAGE],
    read: [`${LOAD}${USAGE}`, BUNDLE],
    plan: [`${LOAD}${LOAD_S3}${USAGE}`, BUNDLE, s3PartOfBundle()],
    'first plan': [`${LOAD}${CALL}${USAGE}`, BUNDLE, plan],
  };
  const samples: StartupSample[] = [];
  const foreign = () => cpuSecondsOfMachine() - samples.reduce((sum, { cpuMs }) => sum + cpuMs / 1e3, 0);
  const before = { seconds: foreign(), ms: performance.now() };
  report(`startup: ${rounds} rounds`);
  for (let round = -1; round < rounds; round += 1) {
    for (const side of SIDES) {
      const sample = { side, round, ...(await run(args[side], env)) };
      if (round >= 0) samples.push(sample);
    }
  }
  const foreignCores = (foreign() - before.seconds) / ((performance.now() - before.ms) / 1e3);
  const rows = SIDES.map((side) => rowOf(side, samples));
  return { rows, verdicts: judge(rows), samples, foreignCores };
}

/** The table, and what it says of the goals. */
export function formatStartup({ rows, verdicts, foreignCores }: StartupResult): string {
  const heads = ['wall ms', 'beyond', 'least', 'CPU ms', 'beyond'];
  const lines = ['', 'start-up'.padEnd(30) + heads.map((head) => head.padStart(12)).join('')];
  for (const { side, wallMs, cpuMs, beyondWallMs, beyondLeastMs, beyondCpuMs } of rows) {
    const cells = [wallMs, beyondWallMs, beyondLeastMs, cpuMs, beyondCpuMs].map((ms) =>
      ms.toFixed(0).padStart(12),
    );
    lines.push(`  ${side.padEnd(28)}${cells.join('')}`);
  }
  lines.push('', `busy with other work and S3 meanwhile: ${foreignCores.toFixed(2)} cores`, '');
  for (const { goal, reached, met } of verdicts)
    lines.push(`${met ? 'met   ' : 'MISSED'} ${goal}: ${reached.toFixed(0)}`);
  return lines.join('\n');
}

function rowOf(side: StartupSide, samples: readonly StartupSample[]): StartupRow {
  const own = samples.filter((sample) => sample.side === side);
  const bare = (round: number) =>
    samples.find((sample) => sample.side === 'node -e 0' && sample.round === round);
  const leastOf = (name: StartupSide) =>
    Math.min(...samples.filter((sample) => sample.side === name).map(({ wallMs }) => wallMs));
  const beyond = (of: 'wallMs' | 'cpuMs') =>
    median(own.map((sample) => sample[of] - (bare(sample.round)?.[of] ?? Number.NaN)));
  return {
    side,
    wallMs: median(own.map(({ wallMs }) => wallMs)),
    cpuMs: median(own.map(({ cpuMs }) => cpuMs)),
    beyondWallMs: beyond('wallMs'),
    beyondCpuMs: beyond('cpuMs'),
    beyondLeastMs: leastOf(side) - leastOf('node -e 0'),
  };
}

const judge = (rows: readonly StartupRow[]): Verdict[] =>
  GOALS.flatMap(({ side, atMostMs }) => {
    const reached = rows.find((row) => row.side === side)?.beyondWallMs ?? Number.NaN;
    const goal = `start-up: ${side} ≤ ${atMostMs} ms beyond node -e 0`;
    return { goal, side, reached, met: reached <= atMostMs };
  });

async function run(
  [code = '', ...args]: readonly string[],
  env: Record<string, string>,
): Promise<Pick<StartupSample, 'wallMs' | 'cpuMs'>> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', code, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  const [status] = await once(child, 'close');
  const wallMs = performance.now() - startedMs;
  if (status !== 0) throw new Error(`a function failed: ${err}${out}`);
  // Its log comes before.
  const { userCPUTime, systemCPUTime } = JSON.parse(out.slice(out.lastIndexOf('{')));
  return { wallMs, cpuMs: (userCPUTime + systemCPUTime) / 1e3 };
}

function s3PartOfBundle(): string {
  const [part] = readdirSync(`${BUNDLES}parts`).filter((name) => name.startsWith('open-s3-'));
  if (part === undefined) throw new Error('the bundle has no part for S3: npm run build');
  return `${BUNDLES}parts/${part}`;
}

/** A request as a Function URL hands it on (payload format 2.0). */
const eventOf = (rawPath: string, headers: Record<string, string>) => ({
  version: '2.0',
  rawPath,
  rawQueryString: '',
  headers,
  requestContext: { http: { method: 'GET', path: rawPath, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1' } },
  isBase64Encoded: false,
});
