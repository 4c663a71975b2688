// The origin of the lab, in a process and on a host of its own: started by origin-process.ts, which tells it what to do.
import { virtualBlob } from '../support/blob-of.ts';
import { startOrigin } from '../support/origin.ts';
import type { OriginOrder, OriginReport } from './origin-process.ts';

const [host = '', port = ''] = process.argv.slice(2);
const origin = await startOrigin({ listen: { host, port: Number(port) } });

process.on('message', (order: OriginOrder) => {
  if ('put' in order) origin.put(order.put, virtualBlob(order.size, order.seed));
  if ('always' in order) origin.always = order.always;
  if ('forget' in order) origin.forget();
  const gets = origin.hits.filter(({ method, bytes }) => method === 'GET' && bytes > 0);
  const report: OriginReport = {
    requests: origin.hits.length,
    blobRequests: gets.length,
    bytes: origin.bytesSent,
  };
  process.send?.(report);
});
process.on('disconnect', () => process.exit());
process.send?.({ requests: 0, blobRequests: 0, bytes: 0 } satisfies OriginReport);
