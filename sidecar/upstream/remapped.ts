import type { HeaderLines } from '../../functions/protocol/errors.ts';

/**
 * The headers that a root said. On its way out of AWS a function's Content-Length becomes that of the body it
 * returned, none for HEAD, and WWW-Authenticate is lost; both come along under other names.
 */
export function restoreRemapped(headers: HeaderLines, method: 'GET' | 'HEAD'): HeaderLines {
  const length = headers[`${PREFIX}content-length`];
  const challenge = headers[`${PREFIX}www-authenticate`];
  if (length === undefined && challenge === undefined) return headers;
  const said = Object.entries(headers).filter(([name]) => !name.startsWith(PREFIX));
  return {
    ...Object.fromEntries(said),
    ...(method === 'HEAD' && length !== undefined ? { 'content-length': length } : {}),
    ...(challenge === undefined ? {} : { 'www-authenticate': challenge }),
  };
}

const PREFIX = 'x-amzn-remapped-';
