import { createNode } from './node.ts';
import { runWorker } from './run-worker.ts';

runWorker(createNode);
