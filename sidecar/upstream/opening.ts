import type { Reply, ReplyBody } from '../../functions/blob/upstream.ts';

// Well within what silence is borne.
const TOLD_MS = 500;

/** The work, with word now and then that it goes on. */
export async function telling<T>(work: Promise<T>, heard: (() => void) | undefined): Promise<T> {
  if (heard === undefined) return work;
  heard();
  const timer = setInterval(heard, TOLD_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

/** The reply, with word of its end, or that there is none. */
export async function ended(opening: Promise<Reply>, end: () => void): Promise<Reply> {
  const reply = await opening.catch((error: unknown) => {
    end();
    throw error;
  });
  const { body } = reply;
  const { fill } = body;
  const own: ReplyBody = {
    read: (sink) => body.read(sink).finally(end),
    ...(fill && { fill: (target, progressed) => fill(target, progressed).finally(end) }),
    discard() {
      end();
      body.discard();
    },
  };
  return { ...reply, body: own };
}
