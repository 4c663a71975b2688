import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { median } from '../../bench/table.ts';
import type { Ending } from '../pull.ts';
import { WAY_NAMES } from '../ways.ts';
import type { FaultResult } from './run-fault.ts';

const README = fileURLToPath(new URL('../../../README.md', import.meta.url));
const BEGIN = '<!-- faults: written by `npm run faults` -->';
const END = '<!-- /faults -->';

const HEADS = ['what fails', 'how', ...WAY_NAMES, 'its own client', 'seconds lost', 'origin sent, × blob'];
// The worst first.
const WORST: readonly Ending[] = ['wrong', 'spoilt', 'stalled', 'broken', 'refused', 'right'];

/** What a fault comes to, as cells of a table. */
function cellsOf({ of, how, spared, struck, seconds, originTimes }: FaultResult, normal: number): string[] {
  const worst = (endings: readonly Ending[]) => WORST.find((ending) => endings.includes(ending)) ?? '';
  const lost = Math.max(0, seconds - normal);
  return [
    of,
    how,
    ...WAY_NAMES.map((wanted) =>
      worst(spared.filter(({ way }) => way === wanted).map(({ ending }) => ending)),
    ),
    worst(struck.map(({ ending }) => ending)) || '–',
    lost.toFixed(1),
    originTimes?.toFixed(2) ?? '–',
  ];
}

/** Without anything to compare with, nothing is lost. */
const normalSeconds = (reference: readonly FaultResult[]) =>
  reference.length === 0 ? Number.POSITIVE_INFINITY : median(reference.map(({ seconds }) => seconds));

/** One line for a terminal. */
export function formatRow(result: FaultResult, reference: readonly FaultResult[]): string {
  const [of, how, ...rest] = cellsOf(result, normalSeconds(reference));
  return `${`${of}: ${how}`.padEnd(70)}${rest.map((cell) => cell.padEnd(8)).join(' ')}`;
}

/** Puts all results in the place that README keeps for them. */
export function writeReadme(results: readonly FaultResult[], reference: readonly FaultResult[]): void {
  const normal = normalSeconds(reference);
  const table = tableOf([HEADS, ...results.map((result) => cellsOf(result, normal))]);
  const text = readFileSync(README, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from === -1 || to === -1) throw new Error(`README has no place for the table: ${BEGIN} … ${END}`);
  writeFileSync(README, `${text.slice(0, from + BEGIN.length)}\n\n${table}\n\n${text.slice(to)}`);
}

/** As the formatter has it, so that a run leaves README as it is checked. */
function tableOf([heads = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = heads.map((head, at) =>
    Math.max(head.length, ...rows.map((cells) => cells[at]?.length ?? 0)),
  );
  const lineOf = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  return [heads, widths.map((width) => '-'.repeat(width)), ...rows].map(lineOf).join('\n');
}
