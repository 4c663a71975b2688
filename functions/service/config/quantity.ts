import { formatDuration, parseDuration } from './duration.ts';
import type { SettingSchema } from './setting-schema.ts';
import { formatSize, parseSize } from './size.ts';

/** The schema of a size or a duration. */
export type Limits = Extract<SettingSchema, { type: 'size' | 'duration' }>;

/** The bytes or milliseconds that a value stands for, if it may be so many. */
export function readQuantity(limits: Limits, value: unknown): number | undefined {
  const parsed = parseQuantity(limits.type, value);
  return parsed === undefined || quantityProblem(limits, parsed) !== undefined ? undefined : parsed;
}

/** Why a value cannot be read. */
export function describeQuantity(limits: Limits, value: unknown, got: string): string {
  const parsed = parseQuantity(limits.type, value);
  if (parsed !== undefined) return `${quantityProblem(limits, parsed)}, ${got}`;
  return limits.type === 'size'
    ? `must be bytes or a size such as 4GiB, 512MiB or 64k, ${got}`
    : `must be milliseconds or a time such as 10s, 500ms or 5m, ${got}`;
}

function parseQuantity(type: Limits['type'], value: unknown): number | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  return type === 'size' ? parseSize(value) : parseDuration(value);
}

function quantityProblem(limits: Limits, value: number): string | undefined {
  const format = limits.type === 'size' ? formatSize : formatDuration;
  if (value < limits.minimum) return `must be ≥ ${format(limits.minimum)}`;
  if (value > limits.maximum) return `must be ≤ ${format(limits.maximum)}`;
  if (limits.powerOfTwo && !Number.isInteger(Math.log2(value))) return 'must be a power of two';
  return undefined;
}
