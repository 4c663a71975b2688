import type { Misdeed } from './front.ts';
import { s3Error } from './s3-rules.ts';

/** What S3 can do wrong with any request. */
export const S3_FAULTS: Readonly<Record<string, Misdeed>> = {
  'an internal error': s3Error('InternalError'),
  'too many requests': s3Error('SlowDown'),
  'a clock that is wrong': s3Error('RequestTimeTooSkewed'),
  'a presigned URL that has ended': s3Error('ExpiredPresign'),
  'a session that has ended': s3Error('ExpiredToken'),
  'no bucket': s3Error('NoSuchBucket'),
  'no access': s3Error('AccessDenied'),
  'a reset before the reply': { reset: true },
  'a reply that is lost': { loseReply: true },
};

/** What it can do wrong with a read. */
export const S3_READ_FAULTS: Readonly<Record<string, Misdeed>> = {
  ...S3_FAULTS,
  'a reset in the middle': { resetAfterBytes: 1000 },
  'an end in the middle': { cutAfterBytes: 1000 },
  'a bit that is flipped': { corrupt: 1000 },
};
