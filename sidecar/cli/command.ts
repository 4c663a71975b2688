import type { Arguments, Flag } from './arguments.ts';

/** What a command may know of the world; `main.ts` alone reads it. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** The module that workers run. */
  readonly worker: URL;
  /** Writes one line, or several, for the person at the terminal. */
  print(text: string): void;
  /** Where a person can be shown what changes; `undefined` where nobody looks. */
  readonly terminal: NodeJS.WritableStream | undefined;
  /** Asks the person at the terminal for a line; `undefined` when there is no terminal. */
  ask(question: string): Promise<string | undefined>;
  /** The code the process ends with; 0 unless told. */
  exitWith(code: number): void;
}

/** One command of the program; help is made of these. */
export interface Command {
  /** Empty for the one that needs no name. */
  readonly name: string;
  /** What follows the program's name. */
  readonly usage: string;
  readonly summary: string;
  readonly flags: readonly Flag[];
  /** How many words it takes that are no flags. */
  readonly operands: number;
  execute(args: Arguments, world: World): Promise<void>;
}
