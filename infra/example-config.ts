import { writeFileSync } from 'node:fs';
import { argv } from 'node:process';
import { pathToFileURL } from 'node:url';
import { stringify } from 'yaml';
import { SETTINGS_SCHEMA } from '../functions/service/config/schema.ts';
import type { SettingSchema } from '../functions/service/config/setting-schema.ts';
import { RULE_PRESETS } from '../functions/service/rule-presets.ts';

const HEAD = `# Every setting of dadip2p with its default; a file needs only those that differ.
# A DadiP2P file works as it is. Each setting can also come from the environment, levels separated by
# two underscores: DADIP2P_P2PConfig__Port=19145. Sizes are bytes or 4GiB, 512MiB, 64k (1024) or 1GB (1000);
# times are milliseconds or 10s, 500ms, 5m.
# Written by "npm run example" from functions/service/config/schema.ts: change it there.
`;

const COMMENT_COLUMNS = 100;

/** The annotated example file, made of the schema's descriptions and defaults. */
export function formatExample(): string {
  return `${HEAD}${formatSection(SETTINGS_SCHEMA, '')}${PRESETS_HEAD}${formatPresets()}`;
}

function formatSection(schema: SettingSchema, indent: string): string {
  if (schema.type !== 'object') return '';
  return Object.entries(schema.properties)
    .map(([key, part]) => formatSetting(key, part, indent))
    .join('');
}

function formatSetting(key: string, schema: SettingSchema, indent: string): string {
  const comment = wrap(`${schema.description ?? ''}${limitsOf(schema)}`, COMMENT_COLUMNS - indent.length);
  const lines = comment.map((line) => `${indent}# ${line}\n`).join('');
  const gap = indent === '' ? '\n' : '';
  if (schema.type === 'object') {
    const section = `${indent}${key}:\n${formatSection(schema, `${indent}  `)}`;
    // A section without a default is off until it is given.
    return `${gap}${lines}${'default' in schema ? section : commentOut(section)}`;
  }
  const value = 'default' in schema ? schema.default : '';
  const text = stringify({ [key]: value }, { lineWidth: 0 });
  return `${gap}${lines}${formatParts(schema, indent)}${text.replace(/^(?=.)/gm, indent)}`;
}

/** What the entries of a list are made of, as comments. */
function formatParts(schema: SettingSchema, indent: string): string {
  if (schema.type !== 'array' || schema.items.type !== 'object') return '';
  return Object.entries(schema.items.properties)
    .flatMap(([key, part]) => {
      const text = `${key}: ${part.description ?? ''}${limitsOf(part)}`;
      return wrap(text, COMMENT_COLUMNS - indent.length - 2).map((line, at) =>
        at === 0 ? line : `  ${line}`,
      );
    })
    .map((line) => `${indent}#   ${line}\n`)
    .join('');
}

const PRESETS_HEAD = `
# What the presets of ProxyConfig.Rules stand for:
`;

/** Every preset, written out as the rules it stands for. */
function formatPresets(): string {
  return [...RULE_PRESETS]
    .flatMap(([name, { about, rules }]) => {
      const entries = stringify(rules, { lineWidth: 0 }).trimEnd().split('\n');
      return ['', ...wrap(`${name}: ${about}`, COMMENT_COLUMNS), ...entries.map((line) => `  ${line}`)];
    })
    .map((line) => `${`# ${line}`.trimEnd()}\n`)
    .join('');
}

function limitsOf(schema: SettingSchema): string {
  if (schema.type === 'string' && schema.enum !== undefined) return ` One of ${schema.enum.join(', ')}.`;
  if (schema.type === 'integer') return ` ${schema.minimum} to ${schema.maximum}.`;
  return '';
}

const commentOut = (text: string): string => text.replace(/^(?:# ?)?/gm, '# ').replace(/^# $/gm, '');

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) {
  writeFileSync(new URL('./dadip2p.example.yaml', import.meta.url), formatExample());
}
