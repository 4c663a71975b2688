import type { Settings } from '../../functions/service/config/settings.ts';

/** The URLs of the roots that are configured, without a slash at the end; those named without a scheme are as this node is. */
export function rootUrlsOf({
  RootList,
  ServeBySSL,
}: Pick<Settings['P2PConfig'], 'RootList' | 'ServeBySSL'>): string[] {
  const scheme = ServeBySSL ? 'https' : 'http';
  return RootList.map((root) => (root.includes('://') ? root : `${scheme}://${root}`).replace(/\/$/, ''));
}
