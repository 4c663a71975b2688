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

/** The reply, with word of its end: whether all of it was read, or there is none. */
export async function ended(opening: Promise<Reply>, end: (isWhole: boolean) => void): Promise<Reply> {
  const reply = await opening.catch((error: unknown) => {
    end(false);
    throw error;
  });
  const during = async (reading: Promise<void>) => {
    let isWhole = false;
    try {
      await reading;
      isWhole = true;
    } finally {
      end(isWhole);
    }
  };
  const { body } = reply;
  const { fill } = body;
  const own: ReplyBody = {
    read: (sink) => during(body.read(sink)),
    ...(fill && { fill: (target, progressed) => during(fill(target, progressed)) }),
    discard() {
      end(false);
      body.discard();
    },
  };
  return { ...reply, body: own };
}
