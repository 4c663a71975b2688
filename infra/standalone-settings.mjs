// The check of settings as source: what service/config/validate.ts has Ajv compile at every start, compiled once.
import { _ } from 'ajv';
import standalone from 'ajv/dist/standalone/index.js';
import { compileSettings } from '../dist/functions/service/config/compile.js';

/** An ES module for the place of service/config/validate.ts. Takes what `tsc` has built. */
export function standaloneSettings() {
  const { ajv, validate } = compileSettings();
  // Ajv knows by itself how to write formats down, but not functions of keywords.
  for (const { value } of validate.source.scopeValues.keyword) value.code = _`CALLED.convert`;
  const source = (standalone.default ?? standalone)(ajv, validate);
  return `import { CALLED } from './called.ts';\nconst self = undefined;\n${source}`;
}
