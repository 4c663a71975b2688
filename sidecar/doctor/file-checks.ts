import { isApplied } from '../setup/changes.ts';
import type { Edit, Purpose, RuntimePlan } from '../setup/edit.ts';
import type { HostFiles } from '../setup/host-files.ts';
import { type Runtime, readManifest } from '../setup/manifest.ts';
import { type Check, type Finding, failed, ok } from './check.ts';

/** What the files are looked at for. */
export interface FileParts {
  readonly runtime: Runtime;
  readonly files: HostFiles;
  readonly planned: RuntimePlan;
  /** The checks without which the files cannot be judged. */
  readonly needs: readonly string[];
  /** The command that puts the files right. */
  readonly setupCommand: string;
}

/** The check that the runtime's files can be read. */
export const RUNTIME_FILES = "runtime's files";

const NAMES: Readonly<Record<Purpose, string>> = {
  'config-path': 'folder of hosts.toml files',
  mirror: 'mirror in the runtime',
  proxy: 'proxy in the runtime',
  trust: 'authority trusted by the runtime',
};

/** That the runtime's files say of the agent what they have to. */
export function fileChecks(parts: FileParts): Check[] {
  const { runtime, files, planned, needs, setupCommand } = parts;
  const { edits } = planned;
  const purposes = (Object.keys(NAMES) as Purpose[]).filter((purpose) =>
    edits.some((edit) => edit.purpose === purpose),
  );
  return [
    { name: RUNTIME_FILES, run: () => ok(`${runtime}'s configuration can be read`) },
    ...purposes.map((purpose) => ({
      name: NAMES[purpose],
      needs,
      run(): Finding {
        const all = edits.filter((edit) => edit.purpose === purpose);
        const wrong = all.find((edit) => !isApplied(edit, files.read(edit.path)));
        if (wrong === undefined) return ok(all.map(({ path }) => path).join(', '));
        return failed(`${wrong.path} ${faultOf(wrong, parts)}`, `run: ${setupCommand}`);
      },
    })),
  ];
}

function faultOf({ path }: Edit, { runtime, files }: FileParts): string {
  const bytes = files.read(path);
  if (bytes === undefined) return 'is missing';
  const written = readManifest(files).runtimes[runtime]?.find((file) => file.path === path);
  if (written === undefined) return 'does not name the agent';
  return bytes.equals(written.after)
    ? 'was set up for other settings of the agent than these'
    : 'was changed since setup, and no longer names the agent';
}
