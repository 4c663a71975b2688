import type { LabFault } from './fault.ts';
import { MATRIX } from './matrix.ts';
import { SPECIAL } from './special.ts';

/** All that goes wrong in the lab. */
export const FAULTS: readonly LabFault[] = [...MATRIX, ...SPECIAL];
