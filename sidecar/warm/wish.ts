import { parseAddress } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import type { Settings } from '../../functions/service/config/settings.ts';
import { parseImageName } from '../../functions/service/image-name.ts';
import type { Arguments } from '../cli/arguments.ts';

/** What somebody wants to be there, and where. */
export interface Wish {
  readonly images: readonly string[];
  readonly urls: readonly string[];
  readonly platforms: readonly string[];
  readonly root: string;
  readonly token: string;
  /** Agents by the URLs of their P2P ports. */
  readonly agents: readonly string[];
}

/**
 * What the command line and the settings say.
 *
 * @throws P2PError CONFIG_INVALID for what is missing or cannot be meant, with what to do instead; ADDRESS_INVALID.
 */
export function wishOf({ flags, positionals }: Arguments, settings: Settings): Wish {
  const { RootList } = settings.P2PConfig;
  if (positionals.length === 0) throw invalid('name what is to be warmed: dadip2p warm IMAGE|URL...');
  // Sorted, so that the root's list of URLs is ours whoever asked for the same before.
  const isUrl = (text: string) => /^https?:\/\//i.test(text);
  const urls = [...new Set(positionals.filter(isUrl))].sort();
  const images = positionals.filter((text) => !isUrl(text));
  for (const url of urls) parseAddress(url);
  const odd = images.find((name) => parseImageName(name) === undefined);
  if (odd !== undefined) throw invalid(`${odd} is no image, as registry/repository:tag is, and no URL`);
  const root = flags.get('root')?.at(-1) ?? RootList[0];
  if (root === undefined)
    throw invalid('no root is named: --root URL, or P2PConfig.RootList in a file by -c');
  const token = flags.get('token')?.at(-1) ?? settings.Admin.Tokens[0];
  if (token === undefined) throw invalid('no token is given: --token TOKEN, or DADIP2P_Admin__Tokens');
  return {
    images,
    urls,
    platforms: flags.get('platform') ?? [],
    root: nodeUrl(root, '--root'),
    token,
    agents: (flags.get('agent') ?? []).map((agent) => nodeUrl(agent, '--agent')),
  };
}

/**
 * The URL of a node, given as `host:port` or a URL, without a slash at the end.
 *
 * @throws P2PError CONFIG_INVALID for what is neither.
 */
export function nodeUrl(text: string, flag: string): string {
  const url = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(url) || !/^https?:/i.test(url))
    throw invalid(`${flag}: ${text} is no host:port and no URL`);
  return url.replace(/\/+$/, '');
}

const invalid = (message: string): P2PError => new P2PError('CONFIG_INVALID', message);
