import { isDeepStrictEqual } from 'node:util';
import { applyEdits, type JSONPath, modify, type ParseError, parse } from 'jsonc-parser';

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * The JSON text `now` without what was added between `was` and `is`; all else stays as it is written. `undefined`
 * when something that was added is no longer as it was.
 */
export function undoJson(was: string, is: string, now: string): string | undefined {
  const errors: ParseError[] = [];
  const current: unknown = parse(now, errors);
  if (errors.length > 0 || !isObject(current)) return undefined;
  const places = addedPlaces(parse(was) ?? {}, parse(is), current);
  // From the end: taking an item out of a list moves those behind it.
  return places?.reduceRight((text, place) => applyEdits(text, modify(text, place, undefined, {})), now);
}

/** Where in `now` that stands which `after` has and `before` has not. */
function addedPlaces(before: JsonObject, after: JsonObject, now: JsonObject): JSONPath[] | undefined {
  const places: JSONPath[] = [];
  for (const [key, value] of Object.entries(after)) {
    const inside = placesOf(before[key], value, now[key]);
    if (inside === undefined) return undefined;
    places.push(...inside.map((place) => [key, ...place]));
  }
  return places;
}

function placesOf(before: unknown, after: unknown, now: unknown): JSONPath[] | undefined {
  if (isDeepStrictEqual(before, after) || now === undefined) return [];
  if (before === undefined && isDeepStrictEqual(now, after)) return [[]];
  if (Array.isArray(after) && Array.isArray(now)) {
    const has = (list: unknown, item: unknown) =>
      Array.isArray(list) && list.some((other) => isDeepStrictEqual(other, item));
    return now.flatMap((item, at) => (has(after, item) && !has(before, item) ? [[at]] : []));
  }
  if (isObject(after) && isObject(now)) return addedPlaces(isObject(before) ? before : {}, after, now);
  return undefined;
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
