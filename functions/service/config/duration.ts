const UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** Milliseconds out of `1500`, `500ms`, `10s`, `1.5m`, `2h` or `30d`; `undefined` for anything else. */
export function parseDuration(text: string | number): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)$/i.exec(String(text).trim());
  if (match === null) return undefined;
  const [, amount, unit = ''] = match;
  const ms = Number(amount) * (UNITS.get(unit.toLowerCase()) ?? Number.NaN);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** The shortest exact text that `parseDuration` reads back: `90000` → `90s`. */
export function formatDuration(ms: number): string {
  if (ms > 0 && ms % 1000 === 0) return `${ms / 1000}s`;
  return `${ms}ms`;
}
