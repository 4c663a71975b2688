import type { Flag } from './arguments.ts';
import type { Command } from './command.ts';

/** Flags that every command understands. */
export const COMMON_FLAGS: readonly Flag[] = [
  { name: 'help', short: 'h', help: 'show this text' },
  { name: 'version', short: 'v', help: 'show the version' },
];

/** What `dadip2p --help` shows: every command with its flags. */
export function formatHelp(commands: readonly Command[]): string {
  const columns = Math.max(...commands.map((command) => usageOf(command).length)) + 2;
  const list = commands.map((command) => `${usageOf(command).padEnd(columns)}${command.summary}`);
  const parts = commands.map(
    ({ name, flags }) => `Flags${name === '' ? '' : ` of ${name}`}:\n${formatFlags(flags)}`,
  );
  return `${list.join('\n')}

${parts.join('\n\n')}

Everywhere:
${formatFlags(COMMON_FLAGS)}

Every setting can also come from the environment, levels separated by two underscores:
DADIP2P_P2PConfig__Port=19145. The settings are listed in infra/dadip2p.example.yaml.`;
}

/** What `dadip2p NAME --help` shows. */
export const formatCommandHelp = (command: Command): string =>
  `${usageOf(command)}\n\n${command.summary}\n\nFlags:\n${formatFlags([...command.flags, ...COMMON_FLAGS])}`;

const usageOf = ({ usage }: Command) => `dadip2p ${usage}`;

function formatFlags(flags: readonly Flag[]): string {
  const left = ({ name, short, value }: Flag) =>
    `  ${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
  const columns = Math.max(...flags.map((flag) => left(flag).length)) + 2;
  return flags.map((flag) => `${left(flag).padEnd(columns)}${flag.help}`).join('\n');
}
