import { parseArgs } from 'node:util';
import { P2PError } from '../../functions/protocol/errors.ts';
import { nearest } from '../../functions/service/config/nearest.ts';

/** A flag of the command line; the help text is made of these. */
export interface Flag {
  readonly name: string;
  readonly short?: string;
  /** What its value is, as help shows it; a flag without one is a switch. */
  readonly value?: string;
  readonly help: string;
}

/** The command line, taken apart. */
export interface Arguments {
  /** The values of each flag given, in order; a switch has `true`. */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
}

/** @throws P2PError CONFIG_INVALID that names every flag that is unknown or lacks its value. */
export function parseArguments(args: readonly string[], known: readonly Flag[]): Arguments {
  const options = Object.fromEntries(
    known.map(({ name, short, value }) => {
      const type: 'string' | 'boolean' = value === undefined ? 'boolean' : 'string';
      return [name, { type, multiple: true, ...(short !== undefined && { short }) }];
    }),
  );
  // Not strict: its errors would name one flag at a time, and suggest none.
  const { tokens, positionals } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const flags = new Map<string, string[]>();
  const faults: string[] = [];
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const flag = known.find(({ name }) => name === token.name);
    const fault = flag === undefined ? unknownFlag(token, known) : valueFault(token, flag);
    if (fault !== undefined) faults.push(fault);
    else flags.set(token.name, [...(flags.get(token.name) ?? []), token.value ?? 'true']);
  }
  if (faults.length > 0) throw new P2PError('CONFIG_INVALID', `${faults.join('\n')}\nsee dadip2p --help`);
  return { flags, positionals };
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function unknownFlag({ rawName, name }: OptionToken, known: readonly Flag[]): string {
  const meant =
    name.length > 1
      ? nearest(
          name,
          known.map((flag) => flag.name),
        )
      : undefined;
  return `unknown flag ${rawName}${meant === undefined ? '' : `; did you mean --${meant}?`}`;
}

function valueFault({ rawName, value, inlineValue }: OptionToken, flag: Flag): string | undefined {
  if (flag.value === undefined) return value === undefined ? undefined : `${rawName} takes no value`;
  // `--dir --s3` has forgotten a value; one that begins with a dash is given as `--dir=--s3`.
  const isMissing = value === undefined || value === '' || (!inlineValue && value.startsWith('-'));
  return isMissing ? `${rawName} needs a value: ${rawName} ${flag.value}` : undefined;
}
