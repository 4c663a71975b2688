import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Member } from '../../../sidecar/members/member.ts';
import { Health } from '../../../sidecar/upstream/health.ts';
import { Owners } from '../../../sidecar/upstream/owner.ts';
import { Picker, RANKED } from '../../../sidecar/upstream/picker.ts';
import { memberOf, membersOf } from '../../support/members.ts';
import { pickFrom, seeded } from '../../support/seeded.ts';

const test = suite('sidecar/upstream/picker');

const MEMBERS = membersOf(RANKED);
const urlOf = (at: number): string => memberOf(at).url;

function pickerAs(at: number | string) {
  const clock = { nowMs: 1_000 };
  const now = () => clock.nowMs;
  const health = new Health(now);
  const picker = new Picker({ self: memberOf(at).url, health, budgetMs: 5_000, now });
  const pick = (via: readonly string[] = []) => {
    const { first, last } = picker.pick(MEMBERS, via);
    return { first: [...first].map(({ url }) => url), last: [...last].map(({ url }) => url) };
  };
  const isDown = (down: number) => {
    for (let times = 0; times < 3; times += 1) health.failed(urlOf(down));
  };
  return { clock, health, picker, pick, isDown };
}

test('has whoever is far down the order ask the owner, then two that stand in for it', () => {
  assert.equal(pickerAs('elsewhere').pick().first, [0, 1, 2].map(urlOf));
});

test('has the owner ask the roots, and the others only when all else has failed', () => {
  assert.equal(pickerAs(0).pick(), { first: [], last: [1, 2, 3].map(urlOf) });
});

test('has whoever stands in ask those before it', () => {
  assert.equal(pickerAs(2).pick().first, [0, 1].map(urlOf));
});

test('has eight asked when all else has failed, unwell or not, and never this one', () => {
  const { picker, isDown } = pickerAs(2);
  for (const at of [0, 1, 3]) isDown(at);
  const last = [...picker.pick(membersOf(12), []).last].map(({ url }) => url);
  assert.equal(last, [0, 1, 3, 4, 5, 6, 7, 8].map(urlOf));
});

test('passes over those that fail, so that the next owns the chunk', () => {
  const { pick, isDown } = pickerAs(1);
  isDown(0);
  assert.equal(pick().first, []);
  const elsewhere = pickerAs('elsewhere');
  elsewhere.isDown(0);
  assert.equal(elsewhere.pick().first, [1, 2, 3].map(urlOf));
});

test('passes over who sent wrong bytes', () => {
  const { pick, health } = pickerAs('elsewhere');
  health.blamed(urlOf(0));
  assert.equal(pick().first, [1, 2, 3].map(urlOf));
});

test('lets one request try whether a node is well again, once its turn has come', () => {
  const { picker, pick, isDown, clock } = pickerAs('elsewhere');
  isDown(1);
  clock.nowMs += 5_000;
  // The owner answers, so nobody gets to the second: the try is still to be had.
  const [owner] = picker.pick(MEMBERS, []).first;
  assert.is(owner?.url, urlOf(0));
  assert.equal(pick().first, [0, 1, 2].map(urlOf));
  assert.equal(pick().first, [0, 2, 3].map(urlOf));
});

test('sends what another node asked for to its owner alone', () => {
  assert.equal(pickerAs('elsewhere').pick(['http://asker']), { first: [urlOf(0)], last: [] });
});

test('asks the roots for what the owner itself has asked for, or what has been sent on already', () => {
  assert.equal(pickerAs('elsewhere').pick([urlOf(0)]), { first: [], last: [] });
  assert.equal(pickerAs('elsewhere').pick(['http://one', 'http://two']), { first: [], last: [] });
});

test('asks no more siblings once the time for them is over', () => {
  const { picker, clock } = pickerAs('elsewhere');
  const asked: string[] = [];
  for (const { url } of picker.pick(MEMBERS, []).first) {
    asked.push(url);
    clock.nowMs += 2_500;
  }
  assert.equal(asked, [0, 1].map(urlOf));
});

/** One node's view of who is there, with what it has found out about them. */
class Node {
  readonly member: Member;
  readonly #health: Health;
  readonly #picker: Picker;
  #owners = new Owners([]);
  #view: readonly Member[] = [];

  constructor(member: Member, now: () => number) {
    this.member = member;
    this.#health = new Health(now);
    this.#picker = new Picker({ self: member.url, health: this.#health, budgetMs: 5_000, now });
  }

  get view(): readonly Member[] {
    return this.#view;
  }

  set view(view: readonly Member[]) {
    this.#view = view;
    this.#owners = new Owners(view);
  }

  owner(key: string, index: number): Member | undefined {
    return this.#owners.ranked(key, index, 1)[0];
  }

  pick(key: string, index: number, via: readonly string[]) {
    return this.#picker.pick(this.#owners.ranked(key, index, RANKED), via);
  }

  failed(url: string): void {
    this.#health.failed(url);
  }
}

interface Trip {
  /** Nodes the request was at, the first asker first. */
  readonly hops: readonly string[];
  readonly askedRoots: boolean;
}

/** Takes a request for a chunk from node to node, as flights do, until somebody asks the roots. */
function travel(
  nodes: ReadonlyMap<string, Node>,
  alive: ReadonlySet<string>,
  from: Node,
  index: number,
): Trip {
  const hops: string[] = [];
  const at = (node: Node, via: readonly string[]): boolean => {
    hops.push(node.member.url);
    assert.ok(hops.length <= 20, 'a loop');
    assert.not(via.includes(node.member.url), 'back to where it was');
    let tried = via;
    for (const { url } of node.pick('some blob', index, via).first) {
      assert.ok(
        node.view.some((member) => member.url === url),
        'not one of its members',
      );
      assert.is.not(url, node.member.url);
      const next = nodes.get(url);
      if (next !== undefined && alive.has(url)) return at(next, [...tried, node.member.url]);
      node.failed(url);
      tried = [...tried, url];
    }
    return true;
  };
  return { askedRoots: at(from, []), hops };
}

test('brings every request to the roots over 1,000 histories of joining, leaving, failing and partial views', () => {
  const random = seeded('histories');
  for (let history = 0; history < 1_000; history += 1) {
    const everyone = Array.from({ length: 2 + Math.floor(random() * 14) }, (_, at) =>
      memberOf(`${history}-${at}`, { weight: random() < 0.5 ? 1 : 0.25 + 2 * random() }),
    );
    const clock = { nowMs: 1_000 };
    const nodes = new Map(everyone.map((member) => [member.url, new Node(member, () => clock.nowMs)]));
    const alive = new Set(everyone.map(({ url }) => url));
    // What each sees lags behind what is: any part of those that were ever there, itself among them.
    const isPartial = random() < 0.5;
    for (const node of nodes.values()) {
      node.view = everyone.filter((member) => member === node.member || !isPartial || random() < 0.7);
    }
    for (let step = 0; step < 6; step += 1) {
      clock.nowMs += random() * 8_000;
      const { url } = pickFrom(random, everyone);
      if (random() < 0.3) alive.delete(url);
      else alive.add(url);
      const askers = everyone.filter((member) => alive.has(member.url));
      if (askers.length === 0) continue;
      const from = nodes.get(pickFrom(random, askers).url) as Node;
      const { hops, askedRoots } = travel(nodes, alive, from, step);
      assert.ok(askedRoots);
      // The asker, its owner, and one more where these two see others.
      assert.ok(hops.length <= 3, hops.join(' '));
    }
  }
});

test('has one node ask the roots where all see the same and are well, and one more hop where they do not', () => {
  const random = seeded('agreement');
  for (let history = 0; history < 1_000; history += 1) {
    const everyone = Array.from({ length: 3 + Math.floor(random() * 20) }, (_, at) =>
      memberOf(`${history}-${at}`),
    );
    const nodes = new Map(everyone.map((member) => [member.url, new Node(member, () => 0)]));
    const alive = new Set(nodes.keys());
    for (const node of nodes.values()) node.view = everyone;
    const owner = nodes.get(everyone[0]?.url ?? '')?.owner('some blob', history) as Member;
    for (const node of nodes.values()) {
      const { hops } = travel(nodes, alive, node, history);
      assert.equal(hops, node.member === owner ? [owner.url] : [node.member.url, owner.url]);
    }
    // One has not heard of the owner: whom it asks has, and asks that.
    const late = nodes.get(
      pickFrom(
        random,
        everyone.filter((member) => member !== owner),
      ).url,
    ) as Node;
    late.view = everyone.filter((member) => member !== owner);
    const { hops } = travel(nodes, alive, late, history);
    const isSelf = late.owner('some blob', history) === late.member;
    assert.is(hops.at(-1), isSelf ? late.member.url : owner.url);
    assert.ok(hops.length <= 3);
  }
});

test.run();
