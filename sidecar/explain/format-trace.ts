import Table from 'cli-table3';
import type { Leg } from '../../functions/blob/journey.ts';
import { formatSize } from '../../functions/service/config/size.ts';

/** A trace as `GET /api/v1/trace/<id>` tells it. */
export interface ShownTrace {
  readonly trace: string;
  readonly requests: readonly ShownRequest[];
}

interface ShownRequest {
  readonly method: string;
  readonly url: string;
  readonly startedMs: number;
  readonly endedMs?: number;
  readonly outcome?: string;
  readonly omitted: number;
  readonly chunks: readonly ShownChunk[];
  /** Fetched for it, and not given: what a transfer broke on, and what is ahead of that. */
  readonly unread: readonly Pick<ShownChunk, 'index' | 'legs'>[];
}

interface ShownChunk {
  readonly index: number;
  readonly bytes: number;
  readonly from: string;
  readonly wantedMs: number;
  readonly firstByteMs: number;
  readonly doneMs: number;
  readonly legs: readonly Leg[];
}

const HEAD = [
  'chunk',
  'bytes',
  'from',
  'source',
  'asked',
  'answered',
  'wanted',
  'first byte',
  'done',
  'tries',
  'sent on',
];
// Lines between columns, and none around them.
const NO_FRAME = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) =>
    ['', '-mid', '-left', '-right'].map((part) => [side + part, '']),
  ),
);

/** A trace as tables, one a request; times are milliseconds since that began. */
export const formatTrace = ({ trace, requests }: ShownTrace): string =>
  [`trace ${trace}`, ...requests.map(formatRequest)].join('\n\n');

function formatRequest(request: ShownRequest): string {
  const { method, url, outcome = 'under way', startedMs, endedMs, chunks, unread, omitted } = request;
  const took = endedMs === undefined ? '' : `, ${Math.round(endedMs - startedMs)} ms`;
  const table = new Table({
    head: HEAD,
    chars: { ...NO_FRAME, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
    colAligns: HEAD.map((name) => (name === 'from' || name === 'source' ? 'left' : 'right')),
  });
  for (const chunk of chunks) table.push(rowOf(chunk, startedMs));
  const failures = [...chunks, ...unread].flatMap(({ index, legs }) =>
    legs.flatMap(({ source, failure }) =>
      failure === undefined ? [] : [`chunk ${index}: ${source} ${failure}`],
    ),
  );
  return [
    `${method} ${url}: ${outcome}${took}; ${sums(chunks)}`,
    ...(chunks.length > 0 ? [table.toString()] : []),
    ...failures,
    ...(omitted > 0 ? [`and ${omitted} more`] : []),
  ].join('\n');
}

function rowOf({ index, bytes, from, wantedMs, firstByteMs, doneMs, legs }: ShownChunk, startedMs: number) {
  const last = legs.at(-1);
  const at = (ms: number | undefined) => (ms === undefined ? '' : String(Math.round(ms - startedMs)));
  const sentOn = legs.reduce((sum, { redirects = 0 }) => sum + redirects, 0);
  const times = [at(legs[0]?.askedMs), at(last?.answeredMs), at(wantedMs), at(firstByteMs), at(doneMs)];
  return [
    index,
    bytes,
    last?.kind ?? from,
    last?.source ?? '',
    ...times,
    legs.length || '',
    sentOn || '',
  ].map(String);
}

/** `root 12 MiB, memory 4 MiB`: how much came from where. */
function sums(chunks: readonly ShownChunk[]): string {
  const sizes = new Map<string, number>();
  for (const { bytes, from, legs } of chunks) {
    const kind = legs.at(-1)?.kind ?? from;
    sizes.set(kind, (sizes.get(kind) ?? 0) + bytes);
  }
  return (
    [...sizes].map(([kind, bytes]) => `${kind} ${formatSize(bytes)}`).join(', ') || 'no chunk of it was read'
  );
}
