import type { Settings } from '../functions/service/config/settings.ts';
import type { Listener } from './listeners.ts';

/** A worker that ends with this code will not do better next time: EX_CONFIG of sysexits.h. */
export const FAULT_EXIT_CODE = 78;

/** From the supervisor. A worker that is told to drain finishes its transfers and ends with code 0. */
export type WorkerOrder =
  | {
      readonly type: 'start';
      readonly settings: Settings;
      /** `fd` is that of the bound socket, in the worker. */
      readonly listeners: readonly (Listener & { readonly fd: number })[];
    }
  | { readonly type: 'drain' };

/** From the worker. */
export type WorkerReport = { readonly type: 'ready' } | { readonly type: 'fault'; readonly message: string };
