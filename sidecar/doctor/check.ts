import { P2PError } from '../../functions/protocol/errors.ts';

/** What a check found. */
export type Finding =
  | { readonly state: 'ok'; readonly detail: string }
  | { readonly state: 'failed'; readonly problem: string; readonly remedy: string }
  | { readonly state: 'skipped'; readonly detail: string };

/** One link between a runtime and the origins. */
export interface Check {
  readonly name: string;
  /** The checks without which this one says nothing. */
  readonly needs?: readonly string[];
  /** Aborted when it takes too long. */
  run(signal: AbortSignal): Promise<Finding> | Finding;
}

/** A check by its name, and what it found. */
export type Result = { readonly name: string } & Finding;

const LIMIT_MS = 10_000;

export const ok = (detail: string): Finding => ({ state: 'ok', detail });
export const failed = (problem: string, remedy: string): Finding => ({ state: 'failed', problem, remedy });
export const skipped = (detail: string): Finding => ({ state: 'skipped', detail });

/** What one of our errors says, whose message ends with the remedy, behind a semicolon. */
export function failedBy({ message }: P2PError): Finding {
  const at = message.lastIndexOf('; ');
  return at < 0 ? failed(message, 'correct it') : failed(message.slice(0, at), message.slice(at + 2));
}

/** Runs checks in order; gives each result as it comes. One whose needs are not met is skipped. */
export async function* examineAll(checks: readonly Check[]): AsyncGenerator<Result> {
  const met = new Set<string>();
  for (const { name, needs = [], run } of checks) {
    const missing = needs.find((need) => !met.has(need));
    const finding = missing === undefined ? await outcome(run) : skipped(`needs "${missing}"`);
    if (finding.state === 'ok') met.add(name);
    yield { name, ...finding };
  }
}

async function outcome(run: Check['run']): Promise<Finding> {
  try {
    return await run(AbortSignal.timeout(LIMIT_MS));
  } catch (error) {
    if (error instanceof P2PError) return failedBy(error);
    throw error;
  }
}

/** One line a result; a failed one has what to do on a second. */
export function formatResult(result: Result): string {
  const line = `${result.state.padEnd(7)}  ${result.name}: `;
  if (result.state !== 'failed') return line + result.detail;
  return `${line}${result.problem}\n         → ${result.remedy}`;
}
