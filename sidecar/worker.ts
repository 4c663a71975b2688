import process from 'node:process';
import { createNode } from './node.ts';
import { runWorker } from './run-worker.ts';

const nodeCa = process.env.NODE_EXTRA_CA_CERTS;
runWorker((settings, parts) => createNode(settings, { ...parts, nodeCa }));
