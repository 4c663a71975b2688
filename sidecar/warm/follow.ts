import { setTimeout as wait } from 'node:timers/promises';
import { P2PError } from '../../functions/protocol/errors.ts';
import type { Progress } from '../../functions/root/warm/progress.ts';
import type { RootApi } from './root-api.ts';
import type { Show } from './show.ts';

const POLL_MS = 500;
// A job that nobody works on any more is gone on with so often.
const MAX_RESUMPTIONS = 5;
// What a root that is started anew needs.
const MAX_SILENCES = 20;

/**
 * Has a root do a job and follows it to its end; where nobody works on it any more, it is gone on with.
 *
 * @throws P2PError UPSTREAM_REFUSED with what the root says; UPSTREAM_TIMEOUT when it stalls again and again; what
 * reaching it fails with.
 */
export async function follow(
  api: Pick<RootApi, 'start' | 'progress'>,
  order: object,
  show: Show,
  signal: AbortSignal,
): Promise<Progress> {
  let progress = await api.start(order, signal);
  let [resumptions, silences] = [0, 0];
  try {
    for (;;) {
      if (progress.state !== 'planning') show.update(progress.bytes.done, progress.bytes.total);
      if (progress.state === 'done' || progress.state === 'failed') return progress;
      if (progress.state === 'stalled') {
        resumptions += 1;
        if (resumptions > MAX_RESUMPTIONS) break;
        progress = await api.start(order, signal);
      }
      await wait(POLL_MS, undefined, { signal });
      try {
        progress = await api.progress(progress.id, signal);
        silences = 0;
      } catch (error) {
        silences += 1;
        if (!(error instanceof P2PError) || error.retry !== 'elsewhere' || silences > MAX_SILENCES)
          throw error;
      }
    }
  } finally {
    show.stop();
  }
  throw new P2PError(
    'UPSTREAM_TIMEOUT',
    `the root stops again and again; its log says why (job ${progress.id})`,
  );
}
