/** An image by where it is. */
export interface ImageName {
  /** As runtimes name it: `docker.io`. */
  readonly registry: string;
  readonly repository: string;
  /** A tag, or a digest. */
  readonly reference: string;
}

const HUB = 'docker.io';

/**
 * Takes the name of an image apart as docker does: without a registry it is one of Docker Hub, without a tag `latest`.
 * `undefined` when it is no such name.
 */
export function parseImageName(text: string): ImageName | undefined {
  const [, name = '', tag, digest] =
    /^([^@]+?)(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@([a-z0-9]+:[0-9a-f]+))?$/.exec(text) ?? [];
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const isHost = /[.:]/.test(first) || first === 'localhost';
  const path = isHost ? name.slice(slash + 1) : name;
  if (!/^[a-z0-9]+([._/-]+[a-z0-9]+)*$/.test(path)) return undefined;
  const isOfHub = !isHost || first === HUB;
  return {
    registry: isHost ? first : HUB,
    repository: isOfHub && !path.includes('/') ? `library/${path}` : path,
    reference: digest ?? tag ?? 'latest',
  };
}
