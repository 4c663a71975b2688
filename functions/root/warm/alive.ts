// Often enough to see it move, and seldom enough to cost little.
const TOLD_MS = 2_000;

/**
 * Has `tell` called every so often until the value is disposed of, which waits for a call under way: calls follow one
 * another and never overlap. One that fails is followed by the next.
 */
export function tellAlive(tell: () => Promise<void>, failed: (cause: unknown) => void): AsyncDisposable {
  let telling: Promise<void> | undefined;
  const timer = setInterval(() => {
    telling ??= tell()
      .catch(failed)
      .finally(() => {
        telling = undefined;
      });
  }, TOLD_MS);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await telling;
    },
  };
}
