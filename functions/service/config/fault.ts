import { P2PError } from '../../protocol/errors.ts';

/** Where a setting stands in the tree: `['P2PConfig', 'RootList', '0']`. */
export type SettingPath = readonly string[];

/** One thing wrong with the configuration, told so that it can be put right without looking anything up. */
export interface Fault {
  /** Empty when the fault is in no one setting. */
  readonly path: SettingPath;
  readonly problem: string;
}

/** `P2PConfig.RootList[0]` */
export const formatPath = (path: SettingPath): string =>
  path.reduce(
    (text, key) => (/^\d+$/.test(key) ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`),
    '',
  );

/** One error that lists every fault; `whereOf` says where a setting was given: a line, a variable, a flag. */
export function configInvalid(
  file: string,
  faults: readonly Fault[],
  whereOf: (path: SettingPath) => string | undefined = () => undefined,
): P2PError {
  const lines = faults.map(({ path, problem }) => {
    const where = whereOf(path);
    return `  ${path.length > 0 ? `${formatPath(path)}: ` : ''}${problem}${where === undefined ? '' : ` (${where})`}`;
  });
  const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`;
  return new P2PError('CONFIG_INVALID', `${file}: ${count}\n${lines.join('\n')}`);
}
