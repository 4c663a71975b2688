// Stands before the P2P port of a node of the lab, in a process on its host: what a sibling that lies looks like.
import { type FrontFault, startFront } from '../support/front.ts';

const [host = '', port = '', upstream = ''] = process.argv.slice(2);
const front = await startFront(upstream, { listen: { host, port: Number(port) } });

process.on('message', (faults: readonly FrontFault[]) => {
  front.faults = faults;
  front.forget();
  process.send?.('done');
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
