import { _, Ajv, type ValidateFunction } from 'ajv';
import { CALLED } from './called.ts';
import { SETTINGS_SCHEMA } from './schema.ts';
import type { SettingSchema } from './setting-schema.ts';

/** The check of settings, and the Ajv that made it, which can write it down as source (`infra/bundle.mjs`). */
export function compileSettings(): { readonly ajv: Ajv; readonly validate: ValidateFunction } {
  const ajv = new Ajv({
    allErrors: true,
    useDefaults: true,
    verbose: true,
    allowUnionTypes: true,
    formats: CALLED.formats,
    code: { source: true, esm: true, formats: _`CALLED.formats` },
  });
  for (const keyword of ['size', 'duration', 'rate']) {
    ajv.addKeyword({ keyword, modifying: true, errors: false, validate: CALLED.convert });
  }
  ajv.addVocabulary(['patternHint', 'secret']);
  const { default: _default, ...schema } = toJsonSchema(SETTINGS_SCHEMA);
  return { ajv, validate: ajv.compile(schema) };
}

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
    case 'rate':
      return { [schema.type]: schema, ...('default' in schema && { default: schema.default }) };
    default:
      return { ...schema };
  }
}
