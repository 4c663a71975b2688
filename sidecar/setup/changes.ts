import { createTwoFilesPatch } from 'diff';
import type { Edit, RuntimePlan } from './edit.ts';
import type { FileView } from './host-files.ts';
import type { ManifestFile } from './manifest.ts';
import { refuse } from './refuse.ts';
import { decodeText } from './text.ts';
import { type Undone, undo } from './undo.ts';

/** One file that is to be written, or removed. */
export interface Change {
  readonly path: string;
  readonly from: Buffer | undefined;
  readonly to: Buffer | undefined;
  /** The command after which the runtime knows of it. */
  readonly activate?: string | undefined;
}

/** What is to be done, and what is to be remembered of it. */
export interface Changes {
  readonly changes: readonly Change[];
  readonly remembered: readonly ManifestFile[];
  readonly notes: readonly string[];
}

type Planner = (files: FileView) => RuntimePlan;

/**
 * What makes the files such as the plan wants them. An earlier `setup` is undone first, so that nothing of it is
 * left when the agent's settings have changed since. Files that are right already stay as they are.
 *
 * @throws P2PError SETUP_REFUSED when a file cannot be edited; then nothing is to be done at all.
 */
export function planSetup(plan: Planner, files: FileView, written: readonly ManifestFile[]): Changes {
  const earlier = new Map(written.map((file) => [file.path, file]));
  const { edits, notes } = plan(asBefore(files, earlier));
  const changes: Change[] = [];
  const remembered: ManifestFile[] = [];
  for (const edit of edits) {
    const { path, activate } = edit;
    const old = earlier.get(path);
    const from = files.read(path);
    if (isApplied(edit, from)) {
      if (old !== undefined) remembered.push(old);
      continue;
    }
    const before = old === undefined ? from : undone(old, from).bytes;
    const after = applyEdit(edit, before);
    changes.push({ path, from, to: after, activate });
    remembered.push({ path, before, after, activate, replaced: old && from });
  }
  const wanted = new Set(edits.map(({ path }) => path));
  const leftovers = [...earlier.values()].filter(({ path }) => !wanted.has(path));
  return { changes: [...changes, ...planUndo(leftovers, files).changes], remembered, notes };
}

/**
 * What takes an earlier `setup` back.
 *
 * @throws P2PError SETUP_REFUSED when a file was changed since in a way that leaves no telling what is ours.
 */
export function planUndo(written: readonly ManifestFile[], files: FileView): Changes {
  const changes: Change[] = [];
  const notes: string[] = [];
  for (const file of written) {
    const from = files.read(file.path);
    const { bytes: to, isMerged } = undone(file, from);
    if (from !== undefined && (to === undefined || !from.equals(to))) {
      changes.push({ path: file.path, from, to, activate: file.activate });
    }
    if (isMerged) notes.push(`${file.path} was changed after setup; only what setup wrote is taken out`);
  }
  return { changes, remembered: [], notes };
}

function undone(file: ManifestFile, bytes: Buffer | undefined): Undone {
  const result = undo(file, bytes);
  if (result !== undefined) return result;
  const remedy = 'take what is ours out by hand, or put the file back as it was';
  throw refuse(file.path, 'was changed after setup, in the lines that setup wrote', remedy);
}

/** True when an edit would change nothing: the file is as the plan wants it. */
export function isApplied(edit: Edit, bytes: Buffer | undefined): boolean {
  return bytes !== undefined && applyEdit(edit, bytes).equals(bytes);
}

const applyEdit = (edit: Edit, bytes: Buffer | undefined): Buffer =>
  Buffer.from(edit.apply(bytes === undefined ? undefined : decodeText(edit.path, bytes)));

/** The files as they would be had we never run, as far as that can be told. */
const asBefore = (files: FileView, earlier: ReadonlyMap<string, ManifestFile>): FileView => ({
  read(path) {
    const bytes = files.read(path);
    const file = earlier.get(path);
    return file === undefined ? bytes : (undo(file, bytes)?.bytes ?? file.before);
  },
  list: (folder) => files.list(folder),
});

/** The changes as one unified diff. */
export const formatDiff = (changes: readonly Change[]): string =>
  changes
    .map(({ path, from, to }) =>
      createTwoFilesPatch(
        from === undefined ? '/dev/null' : path,
        to === undefined ? '/dev/null' : path,
        from?.toString() ?? '',
        to?.toString() ?? '',
      ).replace(/^=+\n/, ''),
    )
    .join('');
