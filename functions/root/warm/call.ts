import type { WarmOrder } from './job.ts';

/**
 * A piece of work on a job, for whoever is called to do it: an invocation of the function, or this process. All that
 * is secret of a job, logins and signatures in URLs, travels in calls and is kept nowhere else.
 */
export interface WarmCall extends WarmOrder {
  readonly id: string;
  readonly run: string;
  /** To find out what the job comes to, or to work on one of its lanes. */
  readonly lane: 'plan' | number;
  /** How often this lane has been handed over for want of time. */
  readonly handovers: number;
}

/** Has a call taken up by somebody, sooner or later; resolves when that is certain. */
export type Invoke = (call: WarmCall) => Promise<void>;

/** The call that an event of the platform is, if it is one. */
export function callOf(event: object): WarmCall | undefined {
  return 'warm' in event ? (event.warm as WarmCall) : undefined;
}

/** The event that has a call taken up. */
export const eventOf = (call: WarmCall): object => ({ warm: call });

/** What the platform tells of a call, as far as it matters. */
export interface LambdaContext {
  getRemainingTimeInMillis(): number;
}
