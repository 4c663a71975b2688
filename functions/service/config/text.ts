import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Fault, SettingPath } from './fault.ts';

/** A configuration file after it was read as YAML, before anything in it was checked. */
export interface ConfigText {
  /** The settings as given; keys without a value are left out, as if they were not there. */
  readonly tree: Record<string, unknown>;
  readonly faults: readonly Fault[];
  /** `line 12`, where the setting or the nearest section around it stands. */
  whereOf(path: SettingPath): string | undefined;
}

/** Reads YAML. Whatever is wrong with it is in `faults`, each with its line and column. */
export function parseConfigText(text: string): ConfigText {
  const lines = new LineCounter();
  // Without prettyErrors a message does not quote the file, which may hold a secret.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const faults = document.errors.map((error): Fault => {
    const { line, col } = lines.linePos(error.pos[0]);
    const said =
      error.code === 'DUPLICATE_KEY' ? 'the key stands here a second time; keep one' : error.message;
    return { path: [], problem: `line ${line}, column ${col}: ${said}` };
  });
  if (faults.length > 0) return { tree: {}, faults, whereOf: () => undefined };

  const { tree, fault } = toTree(document.contents === null ? null : document.toJS());
  return {
    tree,
    faults: fault === undefined ? [] : [fault],
    whereOf(path) {
      let node: unknown = document.contents;
      let at: number | undefined;
      for (const key of path) {
        if (isMap(node)) {
          const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
          at = (isScalar(pair?.key) ? pair.key.range?.[0] : undefined) ?? at;
          node = pair?.value;
        } else if (isSeq(node)) {
          node = node.items[Number(key)];
          at = (isMap(node) || isSeq(node) || isScalar(node) ? node.range?.[0] : undefined) ?? at;
        } else break;
      }
      return at === undefined ? undefined : `line ${lines.linePos(at).line}`;
    },
  };
}

function toTree(value: unknown): { tree: Record<string, unknown>; fault?: Fault } {
  if (value === null) {
    return {
      tree: {},
      fault: { path: [], problem: 'the file is empty; infra/dadip2p.example.yaml is a start' },
    };
  }
  if (typeof value !== 'object' || Array.isArray(value)) {
    return {
      tree: {},
      fault: { path: [], problem: 'must be sections of settings such as "P2PConfig:", not a list or a text' },
    };
  }
  return { tree: withoutEmpty(value) as Record<string, unknown> };
}

/** The value without keys that have none: `S3:` with all its lines commented out is no S3. */
export function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, held]) => held !== null)
      .map(([key, held]) => [key, withoutEmpty(held)]),
  );
}
