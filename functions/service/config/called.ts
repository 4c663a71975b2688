import { FORMAT_CHECKS } from './formats.ts';
import { type Limits, readQuantity } from './quantity.ts';

interface Place {
  readonly parentData: Record<string | number, unknown>;
  readonly parentDataProperty: string | number;
}

/** What the compiled check of settings calls. A check that was compiled ahead of time finds it under this name. */
export const CALLED = {
  formats: Object.fromEntries(
    Object.entries(FORMAT_CHECKS).map(([name, check]) => [name, (text: string) => check(text) === undefined]),
  ),
  /** Puts bytes, milliseconds or bytes a second in the place of a size, a duration or a rate. */
  convert(limits: Limits, value: unknown, _parentSchema?: unknown, place?: Place): boolean {
    const read = readQuantity(limits, value);
    if (read !== undefined && place !== undefined) place.parentData[place.parentDataProperty] = read;
    return read !== undefined;
  },
};
