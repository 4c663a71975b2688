import type { Member } from './member.ts';

/** The members that one or more sources have found, and self, as one list. */
export class Roster {
  readonly self: Member;
  readonly #found: (readonly Member[])[] = [];
  #list: readonly Member[];
  #byUrl: ReadonlyMap<string, Member>;

  constructor(self: Member) {
    this.self = self;
    this.#list = [self];
    this.#byUrl = new Map([[self.url, self]]);
  }

  /**
   * What a further source calls with all it has found. Who is found by two sources is what the one added first says:
   * so all nodes that have the same sources call a member by the same id.
   */
  addSource(): (members: readonly Member[]) => void {
    const at = this.#found.push([]) - 1;
    return (members) => {
      this.#found[at] = members;
      this.#merge();
    };
  }

  /** The same array until something changes. */
  list(): readonly Member[] {
    return this.#list;
  }

  byUrl(url: string): Member | undefined {
    return URL.canParse(url) ? this.#byUrl.get(new URL(url).origin) : undefined;
  }

  #merge(): void {
    const byUrl = new Map([[this.self.url, this.self]]);
    const ids = new Set([this.self.id]);
    for (const member of this.#found.flat()) {
      if (byUrl.has(member.url) || ids.has(member.id)) continue;
      byUrl.set(member.url, member);
      ids.add(member.id);
    }
    const list = [...byUrl.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    if (list.length === this.#list.length && list.every((member, at) => isSame(member, this.#list[at])))
      return;
    this.#list = list;
    this.#byUrl = byUrl;
  }
}

const isSame = (a: Member, b: Member | undefined): boolean =>
  b !== undefined && a.id === b.id && a.url === b.url && a.zone === b.zone && a.weight === b.weight;
