#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import { P2PError } from '../functions/protocol/errors.ts';
import { nearest } from '../functions/service/config/nearest.ts';
import { parseArguments } from './cli/arguments.ts';
import type { World } from './cli/command.ts';
import { DOCTOR } from './cli/doctor.ts';
import { EXPLAIN } from './cli/explain.ts';
import { COMMON_FLAGS, formatCommandHelp, formatHelp } from './cli/help.ts';
import { COST, PURGE, SWEEP } from './cli/keep.ts';
import { RUN } from './cli/run.ts';
import { SETUP, UNINSTALL } from './cli/setup.ts';
import { START } from './cli/start.ts';
import { WARM } from './cli/warm.ts';

const COMMANDS = [RUN, START, SETUP, DOCTOR, UNINSTALL, WARM, SWEEP, PURGE, COST, EXPLAIN];

const world: World = {
  env: process.env,
  home: homedir(),
  // Compiled or not, the worker stands beside this file and has its extension.
  worker: new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url),
  print: (text) => process.stdout.write(`${text}\n`),
  terminal: process.stderr.isTTY ? process.stderr : undefined,
  async ask(question) {
    if (!process.stdin.isTTY || !process.stdout.isTTY) return undefined;
    const terminal = createInterface({ input: process.stdin, output: process.stdout });
    // Ctrl-D at the question is a no.
    const closed = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
    const answer = await Promise.race([terminal.question(question), closed]);
    terminal.close();
    return answer;
  },
  exitWith(code) {
    process.exitCode = code;
  },
};

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`dadip2p: ${error instanceof P2PError ? error.message : (error as Error).stack}\n`);
  process.exitCode = 1;
}

async function main(args: readonly string[]): Promise<void> {
  const named = COMMANDS.find(({ name }) => name !== '' && name === args[0]);
  const command = named ?? RUN;
  const parsed = parseArguments(named === undefined ? args : args.slice(1), [
    ...command.flags,
    ...COMMON_FLAGS,
  ]);
  if (args.length === 0 || parsed.flags.has('help')) {
    return world.print(named === undefined ? formatHelp(COMMANDS) : formatCommandHelp(named));
  }
  if (parsed.flags.has('version')) return world.print(readVersion());
  const extra = parsed.positionals[command.operands];
  if (extra !== undefined) throw unknownCommand(extra);
  await command.execute(parsed, world);
}

function unknownCommand(word: string): P2PError {
  const meant = nearest(
    word,
    COMMANDS.flatMap(({ name }) => (name === '' ? [] : [name])),
  );
  const remedy = meant === undefined ? 'see dadip2p --help' : `did you mean dadip2p ${meant}?`;
  return new P2PError('CONFIG_INVALID', `unknown command ${word}; ${remedy}`);
}

function readVersion(): string {
  // One folder up from the source, two from the compiled file.
  const candidates = ['../package.json', '../../package.json'].map((path) => new URL(path, import.meta.url));
  const found = candidates.find((url) => existsSync(url));
  return found === undefined ? 'unknown' : JSON.parse(readFileSync(found, 'utf8')).version;
}
