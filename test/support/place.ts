/** Where a program of a test runs: on this machine as it is, or in a network namespace that the test made. */
export interface Place {
  /** Where others reach what it listens on. */
  readonly address: string;
  /** Put before its command line. */
  readonly enter: readonly string[];
}

/** This machine as it is. */
export const HERE: Place = { address: '127.0.0.1', enter: [] };

/** The command line that runs another one at a place. It becomes that program: their pids are the same. */
export function enterPlace(
  { enter }: Place,
  command: string,
  args: readonly string[],
): [command: string, args: string[]] {
  const [first, ...rest] = [...enter, command, ...args];
  return [first as string, rest];
}
