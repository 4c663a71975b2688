import { applyPatch, reversePatch, structuredPatch } from 'diff';
import { undoJson } from './json-undo.ts';
import type { ManifestFile } from './manifest.ts';

/** What became of a file since `setup` wrote it. */
export interface Undone {
  /** The file without what is ours; `undefined` when nothing is left of it. */
  readonly bytes: Buffer | undefined;
  /** True when somebody else changed the file meanwhile, and what they changed stays. */
  readonly isMerged: boolean;
}

/**
 * A file as it would be had we never touched it: byte for byte the original, unless somebody else changed it
 * since; then what we added is taken out of what they made of it. `undefined` when what they changed is what
 * we added: there is no telling then what is whose.
 */
export function undo(
  { path, before, after, replaced }: ManifestFile,
  current: Buffer | undefined,
): Undone | undefined {
  if (current === undefined || (before !== undefined && current.equals(before))) {
    return { bytes: current, isMerged: false };
  }
  if (current.equals(after) || replaced?.equals(current)) return { bytes: before, isMerged: false };
  // One character a byte, so that nothing is lost on the way whatever the encoding is.
  const [was, is, now] = [before ?? Buffer.alloc(0), after, current].map((bytes) =>
    bytes.toString('latin1'),
  ) as [string, string, string];
  // Line by line would trip over the commas of JSON.
  const text = path.endsWith('.json') ? undoJson(was, is, now) : undoLines(was, is, now);
  if (text === undefined) return undefined;
  const isEmpty = before === undefined && /^(\s|\{\s*\})*$/.test(text);
  return { bytes: isEmpty ? undefined : Buffer.from(text, 'latin1'), isMerged: true };
}

function undoLines(was: string, is: string, now: string): string | undefined {
  const patch = reversePatch(structuredPatch('', '', was, is));
  return applyPatch(now, patch, { autoConvertLineEndings: false }) || undefined;
}
