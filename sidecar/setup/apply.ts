import type { Change, Changes } from './changes.ts';
import type { HostFiles } from './host-files.ts';
import { MANIFEST, type Manifest, type ManifestFile, type Runtime, writeManifest } from './manifest.ts';

/**
 * Does what was planned for a runtime. What is to be remembered is written first: when this ends half-way,
 * `uninstall` finds each file either as it was or as it was to be.
 */
export function applySetup(runtime: Runtime, planned: Changes, files: HostFiles, earlier: Manifest): void {
  const remember = (list: readonly ManifestFile[], folders: readonly string[]) =>
    writeManifest({ runtimes: { ...earlier.runtimes, [runtime]: list }, folders }, files);
  const wanted = new Set(planned.remembered.map(({ path }) => path));
  const leftovers = (earlier.runtimes[runtime] ?? []).filter(({ path }) => !wanted.has(path));
  let folders = earlier.folders;
  let kept = [...planned.remembered, ...leftovers];
  folders = [...folders, ...remember(kept, folders)];
  try {
    for (const change of planned.changes) folders = [...folders, ...act(change, files)];
    kept = [...planned.remembered];
  } finally {
    remember(kept, folders);
  }
}

/** Takes back what was planned, then the folders that were made for it and are empty now. */
export function applyUndo(runtime: Runtime, planned: Changes, files: HostFiles, earlier: Manifest): void {
  for (const change of planned.changes) act(change, files);
  const { [runtime]: _, ...runtimes } = earlier.runtimes;
  const isLast = Object.keys(runtimes).length === 0;
  if (isLast) files.remove(MANIFEST);
  const folders = earlier.folders.toReversed().filter((folder) => !files.removeFolder(folder));
  if (!isLast) writeManifest({ runtimes, folders: folders.reverse() }, files);
}

function act({ path, to }: Change, files: HostFiles): readonly string[] {
  if (to !== undefined) return files.write(path, to);
  files.remove(path);
  return [];
}
