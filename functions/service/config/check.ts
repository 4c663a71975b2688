import type { ErrorObject } from 'ajv';
import type { Fault, SettingPath } from './fault.ts';
import { FORMAT_CHECKS } from './formats.ts';
import { nearest } from './nearest.ts';
import { unknownKey } from './override.ts';
import { describeQuantity, type Limits } from './quantity.ts';
import type { SettingSchema } from './setting-schema.ts';
import { validate } from './validate.ts';

/** Checks the tree against the schema and fills it in place: defaults, sizes to bytes, times to milliseconds, rates to bytes a second. */
export function checkTree(tree: Record<string, unknown>): Fault[] {
  if (validate(tree)) return [];
  return (validate.errors ?? []).map((error) => {
    const path = error.instancePath.split('/').slice(1).map(unescapePointer);
    const own = error.params as { additionalProperty?: string; missingProperty?: string };
    const extra = own.additionalProperty ?? own.missingProperty;
    const whole = extra === undefined ? path : [...path, extra];
    return { path: whole, problem: describe(error, whole) };
  });
}

const unescapePointer = (key: string): string => key.replaceAll('~1', '/').replaceAll('~0', '~');

const EXPECTED: Readonly<Record<string, string>> = {
  object: 'must be a section of settings',
  array: 'must be a list',
  string: 'must be a text',
  integer: 'must be a whole number',
  boolean: 'must be true or false',
  'boolean,array': 'must be true, false or a list',
};

function describe(error: ErrorObject, path: SettingPath): string {
  const schema = error.parentSchema as SettingSchema;
  const got = `got ${'secret' in schema ? 'something else' : show(error.data)}`;
  switch (error.keyword) {
    case 'type':
      return `${EXPECTED[String(schema.type)] ?? `must be of type ${schema.type}`}, ${got}`;
    case 'minimum':
      return `must be ≥ ${error.schema}, ${got}`;
    case 'maximum':
      return `must be ≤ ${error.schema}, ${got}`;
    case 'maxItems':
      return `must have at most ${error.schema} entries`;
    case 'minLength':
      return 'must not be empty';
    case 'enum':
      return `must be one of ${(error.schema as string[]).join(', ')}, ${got}${guess(error)}`;
    case 'required':
      return 'is required here';
    case 'additionalProperties':
      return unknownKey(path);
    case 'pattern':
      return `${'patternHint' in schema ? schema.patternHint : `must match ${error.schema}`}, ${got}`;
    case 'format':
      return `${FORMAT_CHECKS[error.schema as keyof typeof FORMAT_CHECKS](error.data as string)}, ${got}`;
    case 'size':
    case 'duration':
    case 'rate':
      return describeQuantity(error.schema as Limits, error.data, got);
    default:
      return `${error.message ?? `fails ${error.keyword}`}, ${got}`;
  }
}

function guess(error: ErrorObject): string {
  const meant = nearest(String(error.data), error.schema as string[]);
  return meant === undefined ? '' : `; did you mean ${meant}?`;
}

function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a section';
  // A long value says no more than its beginning.
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
