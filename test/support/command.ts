import { parseArguments } from '../../sidecar/cli/arguments.ts';
import type { Command } from '../../sidecar/cli/command.ts';

/** What a command did. */
export interface Ran {
  readonly out: string;
  readonly code: number;
  /** The questions it asked. */
  readonly asked: readonly string[];
}

/** Where a command runs: what its terminal answers, `undefined` for none, and what it finds around it. */
export interface Around {
  /** A function is called when the command asks: what it does happens while the command waits. */
  readonly answer?: string | (() => Promise<string>);
  readonly env?: Readonly<Record<string, string>>;
  readonly home?: string;
  /** Where it can draw. */
  readonly terminal?: NodeJS.WritableStream;
}

/** Runs one of the program's commands in this process. */
export async function runCommand(
  command: Command,
  args: readonly string[],
  around: Around = {},
): Promise<Ran> {
  const printed: string[] = [];
  const asked: string[] = [];
  let code = 0;
  await command.execute(parseArguments(args, command.flags), {
    env: around.env ?? {},
    home: around.home ?? '/nonexistent',
    worker: new URL('file:///nonexistent'),
    print: (text) => printed.push(text),
    terminal: around.terminal,
    async ask(question) {
      asked.push(question);
      return typeof around.answer === 'function' ? around.answer() : around.answer;
    },
    exitWith(given) {
      code = given;
    },
  });
  return { out: printed.join('\n'), code, asked };
}
