const PREFIXES = ['', 'K', 'M', 'G', 'T'];

/**
 * Bytes a second out of `50MB/s`, `64 MiB/s`, `200Mbit`, `1Gbit/s` or a bare `50000000`; `undefined` for anything else.
 * `B` is a byte and `bit` a bit: `Mb/s`, which people mean either by, is neither.
 */
export function parseRate(text: string | number): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kKMGT]?)(i?)(B\/s|bit(?:\/s)?))?$/.exec(String(text).trim());
  if (match === null) return undefined;
  const [, amount, prefix = '', binary = '', unit = 'B/s'] = match;
  if (prefix === '' && binary !== '') return undefined;
  const scale = (binary === '' ? 1000 : 1024) ** PREFIXES.indexOf(prefix.toUpperCase());
  // 2.3 times 10^6 is not whole in binary.
  const perSecond = Math.round((Number(amount) * scale) / (unit === 'B/s' ? 1 : 8));
  return Number.isSafeInteger(perSecond) ? perSecond : undefined;
}

/** The shortest exact text that `parseRate` reads back: `50000000` → `50MB/s`. */
export function formatRate(perSecond: number): string {
  const power = PREFIXES.findLastIndex((_, at) => perSecond > 0 && perSecond % 1000 ** at === 0);
  return power === -1 ? '0' : `${perSecond / 1000 ** power}${PREFIXES[power]}B/s`;
}
