import type { HeaderLines } from '../protocol/errors.ts';

/** A request as it goes out; `undefined` when a header is not plain text in one line. */
export function formatRequest(method: string, url: URL, headers: HeaderLines): string | undefined {
  const lines = [`${method} ${url.pathname}${url.search} HTTP/1.1`, `host: ${url.host}`];
  for (const [name, value] of Object.entries(headers)) {
    if (name === 'host' || name === 'connection') continue;
    for (const line of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${line}`);
  }
  const text = `${lines.join('\r\n')}\r\n\r\n`;
  return lines.every((line) => /^[\t\x20-\x7e]*$/.test(line)) ? text : undefined;
}
