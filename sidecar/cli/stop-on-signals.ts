import process from 'node:process';
import type { SupervisedNode } from '../supervisor.ts';

/**
 * From now on SIGTERM and SIGINT stop the nodes that are told to what this gives: those that are there, and those that
 * come later, for a signal may fall into their start. A second signal ends them and this process at once.
 */
export function stopOnSignals(): (node: SupervisedNode) => void {
  const nodes: SupervisedNode[] = [];
  let isStopping = false;
  const stop = () => {
    if (isStopping) {
      for (const node of nodes) node.kill();
      process.exit(1);
    }
    isStopping = true;
    for (const node of nodes) node.stop();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return (node) => {
    nodes.push(node);
    if (isStopping) node.stop();
  };
}
