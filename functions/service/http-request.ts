import type { HeaderLines } from '../protocol/errors.ts';

/** One request; headers are lower-case and sent as they are. */
export interface HttpRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: HeaderLines;
  /** Sent whole; none unless given. */
  readonly body?: string;
  /** True for a range whose reply is expected to be plain: it is read by the cheap way where that can. */
  readonly bulk?: boolean;
  /** Told of each interim reply (1xx). */
  readonly interim?: (() => void) | undefined;
}
