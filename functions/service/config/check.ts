import { Ajv, type ErrorObject, type SchemaValidateFunction } from 'ajv';
import { formatDuration, parseDuration } from './duration.ts';
import type { Fault, SettingPath } from './fault.ts';
import { FORMAT_CHECKS } from './formats.ts';
import { nearest } from './nearest.ts';
import { unknownKey } from './override.ts';
import { SETTINGS_SCHEMA } from './schema.ts';
import type { SettingSchema } from './setting-schema.ts';
import { formatSize, parseSize } from './size.ts';

type Limits = Extract<SettingSchema, { type: 'size' | 'duration' }>;

const ajv = new Ajv({ allErrors: true, useDefaults: true, verbose: true, allowUnionTypes: true });
for (const [name, check] of Object.entries(FORMAT_CHECKS)) {
  ajv.addFormat(name, (text: string) => check(text) === undefined);
}
for (const type of ['size', 'duration'] as const) {
  const convert: SchemaValidateFunction = (limits: Limits, value: unknown, _parentSchema, place) => {
    const parsed = parseQuantity(type, value);
    if (parsed === undefined || quantityProblem(limits, parsed) !== undefined) return false;
    if (place !== undefined) place.parentData[place.parentDataProperty] = parsed;
    return true;
  };
  ajv.addKeyword({ keyword: type, modifying: true, errors: false, validate: convert });
}
ajv.addVocabulary(['patternHint', 'secret']);
const { default: _, ...rootSchema } = toJsonSchema(SETTINGS_SCHEMA);
const validate = ajv.compile(rootSchema);

/** Checks the tree against the schema and fills it in place: defaults, sizes to bytes, times to milliseconds. */
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

function toJsonSchema(schema: SettingSchema): Record<string, unknown> {
  switch (schema.type) {
    case 'object': {
      const properties = Object.entries(schema.properties).map(([key, part]) => [key, toJsonSchema(part)]);
      return { ...schema, properties: Object.fromEntries(properties), additionalProperties: false };
    }
    case 'array':
      return { ...schema, items: toJsonSchema(schema.items) };
    case 'map': {
      const { type: _, values, ...rest } = schema;
      return { ...rest, type: 'object', additionalProperties: toJsonSchema(values) };
    }
    case 'size':
    case 'duration':
      return { [schema.type]: schema, ...('default' in schema && { default: schema.default }) };
    default:
      return { ...schema };
  }
}

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
      return describeQuantity(error.keyword, error.schema as Limits, error.data, got);
    default:
      return `${error.message ?? `fails ${error.keyword}`}, ${got}`;
  }
}

function describeQuantity(type: 'size' | 'duration', limits: Limits, value: unknown, got: string): string {
  const parsed = parseQuantity(type, value);
  if (parsed !== undefined) return `${quantityProblem(limits, parsed)}, ${got}`;
  return type === 'size'
    ? `must be bytes or a size such as 4GiB, 512MiB or 64k, ${got}`
    : `must be milliseconds or a time such as 10s, 500ms or 5m, ${got}`;
}

function parseQuantity(type: 'size' | 'duration', value: unknown): number | undefined {
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
