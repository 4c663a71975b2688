#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import process from 'node:process';
import { P2PError } from '../functions/protocol/errors.ts';
import { nearest } from '../functions/service/config/nearest.ts';
import { parseArguments } from './cli/arguments.ts';
import type { World } from './cli/command.ts';
import { COMMON_FLAGS, formatHelp } from './cli/help.ts';
import { RUN_FLAGS, run } from './cli/run.ts';
import { START_FLAGS, start } from './cli/start.ts';

const COMMANDS = new Map([['start', { flags: START_FLAGS, execute: start }]]);
const RUN = { flags: RUN_FLAGS, execute: run };

const world: World = {
  env: process.env,
  home: homedir(),
  // Compiled or not, the worker stands beside this file and has its extension.
  worker: new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url),
  print: (text) => process.stdout.write(`${text}\n`),
};

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`dadip2p: ${error instanceof P2PError ? error.message : (error as Error).stack}\n`);
  process.exitCode = 1;
}

async function main(args: readonly string[]): Promise<void> {
  const command = COMMANDS.get(args[0] ?? '');
  const { flags, execute } = command ?? RUN;
  const parsed = parseArguments(command === undefined ? args : args.slice(1), [...flags, ...COMMON_FLAGS]);
  if (args.length === 0 || parsed.flags.has('help')) return world.print(formatHelp());
  if (parsed.flags.has('version')) return world.print(readVersion());
  const extra = parsed.positionals[0];
  if (extra !== undefined) {
    const meant = nearest(extra, [...COMMANDS.keys()]);
    const remedy = meant === undefined ? 'see dadip2p --help' : `did you mean dadip2p ${meant}?`;
    throw new P2PError('CONFIG_INVALID', `unknown command ${extra}; ${remedy}`);
  }
  await execute(parsed, world);
}

function readVersion(): string {
  // One folder up from the source, two from the compiled file.
  const candidates = ['../package.json', '../../package.json'].map((path) => new URL(path, import.meta.url));
  const found = candidates.find((url) => existsSync(url));
  return found === undefined ? 'unknown' : JSON.parse(readFileSync(found, 'utf8')).version;
}
