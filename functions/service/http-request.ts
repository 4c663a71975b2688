import type { HeaderLines } from '../protocol/errors.ts';

/** One request without a body; headers are lower-case and sent as they are. */
export interface HttpRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: HeaderLines;
  /** True for a range whose reply is expected to be plain: it is read by the cheap way where that can. */
  readonly bulk?: boolean;
}
