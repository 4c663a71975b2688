import { formatDuration, parseDuration } from './duration.ts';
import { formatRate, parseRate } from './rate.ts';
import type { SettingSchema } from './setting-schema.ts';
import { formatSize, parseSize } from './size.ts';

/** The schema of a size, a duration or a rate. */
export type Limits = Extract<SettingSchema, { type: 'size' | 'duration' | 'rate' }>;

const KINDS = {
  size: { parse: parseSize, format: formatSize, form: 'bytes or a size such as 4GiB, 512MiB or 64k' },
  duration: {
    parse: parseDuration,
    format: formatDuration,
    form: 'milliseconds or a time such as 10s, 500ms or 5m',
  },
  rate: {
    parse: parseRate,
    format: formatRate,
    form: 'bytes a second or a rate such as 50MB/s, 64MiB/s or 200Mbit',
  },
} as const;

/** The bytes, milliseconds or bytes a second that a value stands for, if it may be so many. */
export function readQuantity(limits: Limits, value: unknown): number | undefined {
  const parsed = parseQuantity(limits.type, value);
  return parsed === undefined || quantityProblem(limits, parsed) !== undefined ? undefined : parsed;
}

/** Why a value cannot be read. */
export function describeQuantity(limits: Limits, value: unknown, got: string): string {
  const parsed = parseQuantity(limits.type, value);
  if (parsed !== undefined) return `${quantityProblem(limits, parsed)}, ${got}`;
  return `must be ${KINDS[limits.type].form}, ${got}`;
}

function parseQuantity(type: Limits['type'], value: unknown): number | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  return KINDS[type].parse(value);
}

function quantityProblem(limits: Limits, value: number): string | undefined {
  const { format } = KINDS[limits.type];
  if (limits.type === 'rate' && value === 0) return undefined;
  const orNone = limits.type === 'rate' ? '0 for no limit, or ' : '';
  if (value < limits.minimum) return `must be ${orNone}≥ ${format(limits.minimum)}`;
  if (value > limits.maximum) return `must be ≤ ${format(limits.maximum)}`;
  if (limits.powerOfTwo && !Number.isInteger(Math.log2(value))) return 'must be a power of two';
  return undefined;
}
