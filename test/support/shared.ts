import type { Test } from 'uvu';

/**
 * A value that the tests of a suite share because it is dear to start: started for the first test that asks,
 * disposed after the last one. What fails to start fails every test that asks for it.
 */
export function shared<T extends AsyncDisposable>(test: Test, start: () => Promise<T>): () => Promise<T> {
  let started: Promise<T> | undefined;
  test.after(async () => {
    const value = await started?.catch(() => undefined);
    await value?.[Symbol.asyncDispose]();
  });
  return () => {
    started ??= start();
    return started;
  };
}
