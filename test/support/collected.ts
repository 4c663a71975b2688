import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { until } from './until.ts';

// Nothing in a running process can be made without a flag, which is set too late for this context, not for a new one.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Resolves once the garbage collector has had what a reference names, so that nobody keeps it. */
export async function collected(what: string, reference: WeakRef<object>): Promise<void> {
  await until(`${what} to be collected`, () => {
    collect();
    return reference.deref() === undefined;
  });
}
