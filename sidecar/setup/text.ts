import { refuse } from './refuse.ts';

/**
 * The text of a configuration file.
 *
 * @throws P2PError SETUP_REFUSED when it is not UTF-8: it could not be put back as it was.
 */
export function decodeText(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw refuse(path, 'is not UTF-8 text', 'save it as UTF-8', cause);
  }
}

/** How a text ends its lines. */
export const lineEndOf = (text: string): '\r\n' | '\n' => (/\r\n/.test(text) ? '\r\n' : '\n');

/** How a text indents; two spaces when nothing in it is indented. */
export const indentOf = (text: string): string => /^([ \t]+)\S/m.exec(text)?.[1] ?? '  ';

/** Puts lines into a text at an offset that begins a line, or its end, in the text's own line ends. */
export function insertLines(text: string, at: number, lines: readonly string[]): string {
  const end = lineEndOf(text);
  const isOpen = at > 0 && text[at - 1] !== '\n';
  return `${text.slice(0, at)}${isOpen ? end : ''}${lines.map((line) => line + end).join('')}${text.slice(at)}`;
}

/** Where the line after the one at `offset` begins. */
export function nextLine(text: string, offset: number): number {
  const end = text.indexOf('\n', offset);
  return end < 0 ? text.length : end + 1;
}
