/**
 * Runs `check` on every case of a table, one after the other, and fails once with all that failed by name: for
 * cases that share what is dear to start.
 */
export async function eachCase<T>(
  cases: Readonly<Record<string, T>>,
  check: (value: T, name: string) => void | Promise<void>,
): Promise<void> {
  const failures: string[] = [];
  for (const [name, value] of Object.entries(cases)) {
    try {
      await check(value, name);
    } catch (error) {
      const { message, details } = error as Error & { details?: string };
      failures.push(`${name}: ${message}${details ? `\n${details}` : ''}`);
    }
  }
  if (failures.length > 0) throw new Error(`${failures.length} cases failed\n${failures.join('\n')}`);
}
