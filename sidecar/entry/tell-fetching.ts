import type { P2PAppParts } from '../../functions/service/p2p-app.ts';

// Before the quickest of askers looks for another: what is here, or is sent on, has been answered by then.
const QUIET_MS = 50;

type Refer = NonNullable<P2PAppParts['refer']>;

/**
 * Has siblings whose answer takes a moment told that it is being fetched (102, RFC 2518 §10.1): this node looks for other
 * sources itself where that is slow. One that heard nothing would ask the next in the chunk's order, and that one the root
 * for what it is sending already.
 */
export function tellFetching(refer: Refer): Refer {
  return function tellFetching(asked) {
    const location = refer(asked);
    const { node, response } = asked;
    if (location === undefined && node !== undefined) {
      const timer = setTimeout(() => {
        if (!response.headersSent && !response.destroyed) response.writeProcessing();
      }, QUIET_MS);
      response.once('close', () => clearTimeout(timer));
    }
    return location;
  };
}
