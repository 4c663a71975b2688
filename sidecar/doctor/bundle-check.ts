import type { RuntimePlan } from '../setup/edit.ts';
import type { HostFiles } from '../setup/host-files.ts';
import { systemStore } from '../setup/trust.ts';
import { type Check, failed, ok } from './check.ts';

/** That what was put into the system's store of authorities has come into the bundle that programs read. */
export function bundleChecks({ edits }: RuntimePlan, files: HostFiles): Check[] {
  const store = systemStore(files);
  const edit = edits.find(({ path }) => store !== undefined && path.startsWith(store.folder));
  if (store === undefined || edit === undefined) return [];
  return [
    {
      name: "authority in the system's bundle",
      run() {
        const bundle = files.read(store.bundle)?.toString() ?? '';
        if (bundle.includes(edit.apply(undefined).trim())) return ok(store.bundle);
        return failed(`${store.bundle} has it not`, `run: ${store.update}`);
      },
    },
  ];
}
