import { randomBytes } from 'node:crypto';

/** The trace that a request is part of (W3C Trace Context). */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  readonly flags: string;
}

const FORM = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-|$)/;
// Eight bytes chosen once, and a number beside them: unlike any other, and at no cost to each request.
const PROCESS = randomBytes(8).toString('hex');
let count = 0;

/** The trace that `traceparent` names, else a new one. */
export function contextOf(traceparent: string | undefined): TraceContext {
  const [, traceId, flags = '01'] = FORM.exec(traceparent ?? '') ?? [];
  return { traceId: traceId ?? PROCESS + nextSpanId(), flags };
}

/** `traceparent`, or `traceresponse`, of a new span of this trace. */
export const formatContext = ({ traceId, flags }: TraceContext): string =>
  `00-${traceId}-${nextSpanId()}-${flags}`;

function nextSpanId(): string {
  count += 1;
  return count.toString(16).padStart(16, '0');
}
