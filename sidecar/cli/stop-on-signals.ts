import process from 'node:process';
import type { SupervisedNode } from '../supervisor.ts';

/**
 * SIGTERM and SIGINT stop the nodes, those added to the list later too; a second signal ends this process
 * at once.
 */
export function stopOnSignals(nodes: readonly SupervisedNode[]): void {
  let isSecond = false;
  const stop = () => {
    if (isSecond) {
      for (const node of nodes) node.kill();
      process.exit(1);
    }
    isSecond = true;
    for (const node of nodes) node.stop();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
