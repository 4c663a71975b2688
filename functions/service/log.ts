import pino, { type Logger } from 'pino';
import { redact } from '../protocol/address.ts';
import type { Settings } from './config/settings.ts';

export type { Logger };

// DadiP2P's own level names, as pino calls them.
const LEVELS = { panic: 'fatal' } as const satisfies Partial<Record<Settings['LogLevel'], pino.Level>>;

const SECRET_FIELDS = [
  'authorization',
  'cookie',
  '*.authorization',
  '*.cookie',
  '*.SecretAccessKey',
  '*.*.SecretAccessKey',
  'Secret',
  '*.Secret',
  '["x-p2p-token"]',
  '*["x-p2p-token"]',
  'Tokens',
  '*.Tokens',
  '*.*.Tokens',
];

/**
 * A log of JSON lines on standard output, one an event: `event` is the past-tense name, the rest are fields.
 * Fields called `url` or `target` lose their query, where signatures travel; credentials are blanked.
 */
export function createLog(
  level: Settings['LogLevel'],
  fields: Readonly<Record<string, unknown>> = {},
): Logger {
  return pino({
    level: level === 'panic' ? LEVELS.panic : level,
    messageKey: 'event',
    base: { pid: process.pid, ...fields },
    // By name: 30 means nothing to who reads or filters the log.
    formatters: { level: (name) => ({ level: name }) },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: SECRET_FIELDS, censor: '…' },
    serializers: { url: redact, target: redact, cause: describeCause, err: pino.stdSerializers.err },
  });
}

/** A failure in one line: what the chain of causes says. Stacks are for bugs, which are logged as `err`. */
function describeCause(cause: unknown): string {
  const lines: string[] = [];
  for (let at = cause; at instanceof Error; at = at.cause) lines.push(at.message);
  return lines.length > 0 ? lines.join(': ') : String(cause);
}
