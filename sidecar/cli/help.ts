import type { Flag } from './arguments.ts';
import { RUN_FLAGS } from './run.ts';
import { START_FLAGS } from './start.ts';

/** Flags that every command understands. */
export const COMMON_FLAGS: readonly Flag[] = [
  { name: 'help', short: 'h', help: 'show this text' },
  { name: 'version', short: 'v', help: 'show the version' },
];

/** What `dadip2p --help` shows. */
export function formatHelp(): string {
  return `dadip2p -c FILE [flags]      run a node, root or agent as the file says
dadip2p start [flags]        run one root and one agent on this machine, without a file

Flags:
${formatFlags([...RUN_FLAGS, ...COMMON_FLAGS])}

Flags of start:
${formatFlags(START_FLAGS)}

Every setting can also come from the environment, levels separated by two underscores:
DADIP2P_P2PConfig__Port=19145. The settings are listed in infra/dadip2p.example.yaml.`;
}

function formatFlags(flags: readonly Flag[]): string {
  const left = ({ name, short, value }: Flag) =>
    `  ${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
  const columns = Math.max(...flags.map((flag) => left(flag).length)) + 2;
  return flags.map((flag) => `${left(flag).padEnd(columns)}${flag.help}`).join('\n');
}
