/** The forms a text may have to take; `formats.ts` knows each. */
export type TextFormat =
  | 'host'
  | 'http-url'
  | 'host-port'
  | 'root-address'
  | 'origin'
  | 'origin-url'
  | 'host-pattern'
  | 'sibling'
  | 'zone'
  | 'dns-server'
  | 'secret'
  | 'regex';

/**
 * JSON Schema, as far as it is used here. Three types are ours: a `size` is bytes or a text such as `4GiB`, a
 * `duration` milliseconds or a text such as `10s`, a `rate` bytes a second or a text such as `50MB/s`, where 0 is none;
 * all are numbers once read. The description is the comment
 * above the setting in the example file.
 */
export type SettingSchema = {
  readonly description?: string;
  readonly default?: unknown;
} & (
  | {
      readonly type: 'object';
      readonly properties: Readonly<Record<string, SettingSchema>>;
      readonly required?: readonly string[];
    }
  | {
      readonly type: 'array';
      readonly items: SettingSchema;
      readonly maxItems?: number;
      readonly secret?: true;
    }
  /** Settings under names of the user's own. */
  | { readonly type: 'map'; readonly values: SettingSchema }
  | {
      readonly type: 'string';
      readonly enum?: readonly string[];
      readonly minLength?: number;
      readonly pattern?: string;
      readonly format?: TextFormat;
      /** Shown when `pattern` does not match. */
      readonly patternHint?: string;
      /** A secret is never repeated in a message. */
      readonly secret?: true;
    }
  | { readonly type: 'integer'; readonly minimum: number; readonly maximum: number }
  | {
      readonly type: 'size' | 'duration' | 'rate';
      readonly minimum: number;
      readonly maximum: number;
      readonly powerOfTwo?: true;
    }
  | { readonly type: 'boolean' }
  | { readonly type: readonly ['boolean', 'array']; readonly items: { readonly type: 'string' } }
);

export type Keys<T> = { readonly [K in keyof T]-?: SettingSchema };

export const object = <T>(description: string, properties: Keys<T>) =>
  ({ type: 'object', description, properties, default: {} }) as const;

export const port = (description: string, value: number) =>
  ({ type: 'integer', description, minimum: 0, maximum: 65_535, default: value }) as const;

export const flag = (description: string, value: boolean) =>
  ({ type: 'boolean', description, default: value }) as const;

export const time = (description: string, value: string) =>
  // The longest delay a Node timer keeps is 2^31 - 1 ms; a longer one fires at once.
  ({ type: 'duration', description, minimum: 1, maximum: 2 ** 31 - 1, default: value }) as const;

export const size = (description: string, value: string) =>
  ({ type: 'size', description, minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: value }) as const;

export const rate = (description: string) =>
  // Below this even one chunk outlasts the patience of whoever asks; `50` was hardly meant as bytes a second.
  ({ type: 'rate', description, minimum: 100_000, maximum: Number.MAX_SAFE_INTEGER, default: 0 }) as const;
