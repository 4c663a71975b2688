import { type AST, getStaticTOMLValue, parseTOML } from 'toml-eslint-parser';
import { refuse } from './refuse.ts';
import { insertLines, nextLine } from './text.ts';

/** A TOML text with the places where things stand in it. */
export interface Toml {
  readonly path: string;
  readonly text: string;
  readonly value: Readonly<Record<string, unknown>>;
  readonly top: AST.TOMLTopLevelTable;
}

/** @throws P2PError SETUP_REFUSED when it is not TOML. */
export function parseToml(path: string, text: string): Toml {
  try {
    const program = parseTOML(text);
    const value = getStaticTOMLValue(program) as Record<string, unknown>;
    return { path, text, value, top: program.body[0] };
  } catch (cause) {
    const { lineNumber, message } = cause as { lineNumber?: number; message: string };
    throw refuse(path, `is not valid TOML (line ${lineNumber ?? '?'}: ${message})`, 'correct it', cause);
  }
}

/** The tables that a text has under a header of their own. */
export const tablesOf = ({ top }: Toml): AST.TOMLTable[] =>
  top.body.filter((node): node is AST.TOMLTable => node.type === 'TOMLTable');

/** The value at a path of keys; `undefined` when there is none. */
export const valueAt = (value: unknown, keys: readonly string[]): unknown =>
  keys.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined),
    value,
  );

/** Sets a text in a table, which is made when there is none; all else stays as it is written. */
export function setText(toml: Toml, table: readonly string[], key: string, value: string): string {
  const { path, text, top } = toml;
  const quoted = JSON.stringify(value);
  const full = [...table, key];
  const old = findValue(top.body, [], full);
  const header = tablesOf(toml).find(
    (node) => node.kind === 'standard' && isSame(node.resolvedKey.map(String), table),
  );
  let edited: string;
  if (old !== undefined) edited = text.slice(0, old.range[0]) + quoted + text.slice(old.range[1]);
  else if (header !== undefined) {
    const line = `${indentInside(text, header)}${key} = ${quoted}`;
    edited = insertLines(text, nextLine(text, header.key.range[1]), [line]);
  } else {
    const lines = [`[${table.map(formatKey).join('.')}]`, `  ${key} = ${quoted}`];
    edited = insertLines(text, text.length, text.trim() === '' ? lines : ['', ...lines]);
  }
  return checked(path, edited, full, value);
}

/** A name as a key is written: bare where TOML lets it. */
const formatKey = (key: string): string => (/^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key));

/** The edited text, unless TOML reads it otherwise: a table may be spelled so that it cannot be added to. */
function checked(path: string, edited: string, full: readonly string[], value: string): string {
  const remedy = `set ${full.map(formatKey).join('.')} = ${JSON.stringify(value)} by hand, then run this again`;
  try {
    if (valueAt(parseToml(path, edited).value, full) === value) return edited;
  } catch (cause) {
    throw refuse(path, 'is written in a form that cannot be added to', remedy, cause);
  }
  throw refuse(path, 'is written in a form that cannot be added to', remedy);
}

function findValue(
  nodes: readonly AST.TOMLNode[],
  above: readonly string[],
  wanted: readonly string[],
): AST.TOMLContentNode | undefined {
  for (const node of nodes) {
    if (node.type === 'TOMLTable') {
      if (node.kind === 'array') continue;
      const found = findValue(node.body, node.resolvedKey.map(String), wanted);
      if (found !== undefined) return found;
    } else if (node.type === 'TOMLKeyValue') {
      const keys = [...above, ...node.key.keys.map(nameOf)];
      if (isSame(keys, wanted)) return node.value;
      const found = node.value.type === 'TOMLInlineTable' && findValue(node.value.body, keys, wanted);
      if (found) return found;
    }
  }
  return undefined;
}

const nameOf = (key: AST.TOMLBare | AST.TOMLQuoted): string =>
  key.type === 'TOMLBare' ? key.name : key.value;

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((key, at) => key === b[at]);

function indentInside(text: string, { range, body }: AST.TOMLTable): string {
  const at = body[0]?.range[0] ?? range[0];
  const line = text.slice(text.lastIndexOf('\n', at - 1) + 1, at);
  return (/^[ \t]*/.exec(line)?.[0] ?? '') + (body.length === 0 ? '  ' : '');
}
