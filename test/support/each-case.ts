/**
 * Runs `check` on every case of a table, one after the other, and fails once with all that failed by name: for
 * cases that share what is dear to start.
 */
export async function eachCase<T>(
  cases: Readonly<Record<string, T>>,
  check: (value: T, name: string) => void | Promise<void>,
): Promise<void> {
  const failures: string[] = [];
  for (const [name, value] of Object.entries(cases)) failures.push(...(await failureOf(name, value, check)));
  complain(failures);
}

/** The same with all cases at once: for those that wait, and have nothing to do with each other. */
export async function eachCaseAtOnce<T>(
  cases: Readonly<Record<string, T>>,
  check: (value: T, name: string) => Promise<void>,
): Promise<void> {
  const checks = Object.entries(cases).map(([name, value]) => failureOf(name, value, check));
  complain((await Promise.all(checks)).flat());
}

async function failureOf<T>(
  name: string,
  value: T,
  check: (value: T, name: string) => void | Promise<void>,
): Promise<string[]> {
  try {
    await check(value, name);
    return [];
  } catch (error) {
    const { message, details } = error as Error & { details?: string };
    return [`${name}: ${message}${details ? `\n${details}` : ''}`];
  }
}

function complain(failures: readonly string[]): void {
  if (failures.length > 0) throw new Error(`${failures.length} cases failed\n${failures.join('\n')}`);
}
