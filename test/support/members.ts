import type { Member } from '../../sidecar/members/member.ts';

/** A member like any other. */
export const memberOf = (name: string | number, over: Partial<Member> = {}): Member => ({
  id: `id-${name}`,
  url: `http://node-${name}.test:19145`,
  zone: '',
  weight: 1,
  ...over,
});

/** So many of them. */
export const membersOf = (count: number): Member[] => Array.from({ length: count }, (_, at) => memberOf(at));
