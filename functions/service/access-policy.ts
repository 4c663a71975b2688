import type { AccessPolicy } from '../blob/access/access.ts';
import type { Settings } from './config/settings.ts';
import type { Logger } from './log.ts';

/** How strictly rights are looked at, as the settings say; warns where they are not. */
export function accessPolicy({ Access }: Pick<Settings, 'Access'>, log: Logger): AccessPolicy {
  if (!Access.Check) {
    const meaning = 'Access.Check is false: whatever is cached is served to anyone, private or not';
    log.warn({ meaning }, 'access_unchecked');
  }
  return { ttlMs: Access.Ttl, onOutage: Access.OnOutage, check: Access.Check };
}
