import { applyEdits, type JSONPath, modify, type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import { refuse } from './refuse.ts';
import { indentOf, lineEndOf } from './text.ts';

/** One value to be set; `isInserted` puts it into a list, before what is there. */
export interface JsonChange {
  readonly at: JSONPath;
  readonly value: unknown;
  readonly isInserted?: boolean;
}

/**
 * The object in a JSON text; an empty text is an empty object, as dockerd takes it.
 *
 * @throws P2PError SETUP_REFUSED when it is not a JSON object.
 */
export function parseJsonObject(path: string, text: string): Record<string, unknown> {
  if (text.trim() === '') return {};
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { disallowComments: true });
  const [first] = errors;
  if (first !== undefined) {
    const line = text.slice(0, first.offset).split('\n').length;
    const problem = `is not valid JSON (line ${line}: ${printParseErrorCode(first.error)})`;
    throw refuse(path, problem, 'correct it: the daemon that reads it would not start either');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refuse(path, 'is not a JSON object', 'correct it');
  }
  return value as Record<string, unknown>;
}

/** The text with those values set; all else stays as it is written. */
export function editJson(text: string, changes: readonly JsonChange[]): string {
  if (changes.length === 0) return text;
  const isNew = text.trim() === '';
  const indent = indentOf(text);
  const formattingOptions = {
    insertSpaces: !indent.includes('\t'),
    tabSize: indent.includes('\t') ? 1 : indent.length,
    eol: lineEndOf(text),
  };
  const edited = changes.reduce(
    (before, { at, value, isInserted = false }) =>
      applyEdits(before, modify(before, at, value, { formattingOptions, isArrayInsertion: isInserted })),
    isNew ? '{}' : text,
  );
  return isNew ? `${edited}\n` : edited;
}
