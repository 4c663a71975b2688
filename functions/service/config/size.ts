// Powers of 1024 have an i or stand alone (`4GiB`, `64k`), powers of 1000 have a B without it (`1GB`).
const PREFIXES = ['', 'K', 'M', 'G', 'T'];

/** Bytes out of `4194304`, `4GiB`, `512 MiB`, `64k` (powers of 1024) or `1GB` (10^9); `undefined` for anything else. */
export function parseSize(text: string | number): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)(b?)$/i.exec(String(text).trim());
  if (match === null) return undefined;
  const [, amount, prefix = '', binary = '', unit = ''] = match;
  if (prefix === '' && binary !== '') return undefined;
  const base = binary === '' && unit !== '' ? 1000 : 1024;
  const bytes = Number(amount) * base ** PREFIXES.indexOf(prefix.toUpperCase());
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest exact text that `parseSize` reads back: `4194304` → `4MiB`. */
export function formatSize(bytes: number): string {
  const power = PREFIXES.findLastIndex((_, at) => at > 0 && bytes >= 1024 ** at && bytes % 1024 ** at === 0);
  return power === -1 ? String(bytes) : `${bytes / 1024 ** power}${PREFIXES[power]}iB`;
}
