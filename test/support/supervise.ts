import { pino } from 'pino';
import { loadSettings } from '../../functions/service/config/load.ts';
import { superviseNode } from '../../sidecar/supervisor.ts';

// A supervisor in a process of its own, for a test to kill: prints the process id of its worker.
const env = {
  DADIP2P_P2PConfig__RunMode: 'root',
  DADIP2P_P2PConfig__Host: '127.0.0.1',
  DADIP2P_P2PConfig__Port: '0',
  DADIP2P_Admin__Port: '0',
};
const node = await superviseNode(loadSettings({ text: undefined, file: '', env }), {
  log: pino({ level: 'silent' }),
  worker: new URL('./supervised-worker.ts', import.meta.url),
});
await node.ready;
console.log(await (await fetch(`http://127.0.0.1:${node.ports.p2p}/pid`)).text());
