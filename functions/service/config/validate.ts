import { compileSettings } from './compile.ts';

/** The check of settings. Bundles of functions have what it compiles to in place of this file: compiling takes 100 ms. */
export const { validate } = compileSettings();
