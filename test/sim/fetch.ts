import { BACK, type FanOut, MAX_REDIRECTS } from '../../functions/service/fan-out.ts';
import { mayBeCircle } from '../../sidecar/entry/referrals.ts';
import type { Member } from '../../sidecar/members/member.ts';
import type { Events } from './events.ts';
import type { Arrival, Host } from './host.ts';
import type { Flow, Network } from './network.ts';
import type { Root } from './root.ts';

// As in sidecar/upstream/siblings.ts.
const TOLD_REFERRERS = 2;

/** What a chunk comes from and goes by. */
export interface Surroundings {
  readonly events: Events;
  readonly network: Network;
  readonly root: Root;
  /** How often askers were sent on. */
  redirects: number;
  /** How often another was asked beside a slow one. */
  hedges: number;
  /** The owner of a chunk, and those that follow it. */
  ranked(chunk: number): readonly Member[];
  hostOf(url: string): Host;
  /** Of one message one way. */
  latencyMs(): number;
  /** Has a host that was asked for a chunk fetch it; `false` when it has all of it. */
  seek(host: Host, chunk: number, via: readonly string[]): boolean;
}

/** One member that is asked, with those it sends on to. */
interface Attempt {
  /** Who has sent us on, the last one last; empty when the roots are asked. */
  readonly path: Host[];
  readonly askedMs: number;
  redirects: number;
  flow: Flow | undefined;
  isOver: boolean;
}

/**
 * One chunk on its way to one host: who is asked, in which order, and what happens when one fails or is slow. Whom to
 * ask, and who is sent where, the agents' own code decides; following it is what SiblingsUpstream and HedgedUpstream do.
 */
export class Fetch implements Arrival {
  readonly waiting: (() => void)[] = [];
  /** What it has come from last. */
  from: 'root' | 'sibling' | undefined;
  readonly #cluster: Surroundings;
  readonly #host: Host;
  readonly #chunk: number;
  readonly #via: readonly string[];
  readonly #candidates: Iterator<Member>;
  readonly #tried = new Set<string>();
  #attempts: Attempt[] = [];

  constructor(cluster: Surroundings, host: Host, chunk: number, via: readonly string[]) {
    this.#cluster = cluster;
    this.#host = host;
    this.#chunk = chunk;
    this.#via = via;
    this.#candidates = host.picker.pick(cluster.ranked(chunk), via).first[Symbol.iterator]();
    host.coming.set(chunk, this);
  }

  get filled(): number {
    return this.#cluster.network.bytesOf(this.#host.node, this.#chunk);
  }

  isAwaiting(asked: Host): boolean {
    return this.#attempts.some((attempt) => isAwaiting(attempt, asked));
  }

  /** Asks the next of those that may be asked; the roots when there is none left. */
  next(): void {
    const { value: member } = this.#candidates.next();
    const { nowMs } = this.#cluster.events;
    const path = member === undefined ? [] : [this.#cluster.hostOf(member.url)];
    const attempt: Attempt = { path, askedMs: nowMs, redirects: 0, flow: undefined, isOver: false };
    this.#attempts.push(attempt);
    if (member === undefined) this.#askRoot(attempt);
    else {
      this.#ask(attempt);
      this.#hedge(attempt);
      this.#tried.add(member.url);
    }
  }

  /** Asks another beside the one that has not sent anything by the time most have. */
  #hedge(attempt: Attempt): void {
    const { hedging } = this.#host;
    this.#cluster.events.after(hedging.afterMs, () => {
      const hasBegun = attempt.flow?.hasBegun === true;
      const isSlow = !this.#isOff(attempt) && attempt === this.#attempts.at(-1) && !hasBegun;
      if (!isSlow || !hedging.spend()) return;
      this.#cluster.hedges += 1;
      this.next();
    });
  }

  #isOff(attempt: Attempt): boolean {
    return attempt.isOver || !this.#host.isUp;
  }

  #ask(attempt: Attempt): void {
    const { events } = this.#cluster;
    const target = attempt.path.at(-1) as Host;
    events.after(this.#cluster.latencyMs(), () => {
      if (this.#isOff(attempt)) return;
      if (!target.isUp) {
        events.after(this.#cluster.latencyMs(), () => this.#goBack(attempt));
        return;
      }
      const backMs = this.#cluster.latencyMs();
      const referred = this.#referredBy(target, attempt);
      if (referred === BACK) {
        events.after(backMs, () => this.#tryAnother(attempt));
        return;
      }
      if (referred !== undefined) {
        events.after(backMs, () => this.#follow(attempt, referred));
        return;
      }
      const chain = [...this.#via, this.#host.member.url];
      this.#cluster.seek(target, this.#chunk, chain);
      target.promised += 1;
      events.after(backMs, () => {
        target.promised -= 1;
        this.#receive(attempt, target);
      });
    });
  }

  /** As `Referrals` has it. */
  #referredBy(target: Host, attempt: Attempt): ReturnType<FanOut['refer']> {
    const coming = target.coming.get(this.#chunk);
    if (coming?.isAwaiting(this.#host)) return BACK;
    const { filled } = this;
    if (filled > 0) return mayBeCircle(coming, filled) ? BACK : undefined;
    const asked = this.#asked(attempt);
    const { redirects } = attempt;
    const { url } = this.#host.member;
    return target.fanOut(this.#chunk).refer(String(this.#chunk), { node: url, asked, redirects });
  }

  #asked({ path }: Attempt): string[] {
    const told = path.slice(-1 - TOLD_REFERRERS).map(({ member }) => member.url);
    const asked = new Set([...this.#via, ...this.#tried, ...told]);
    asked.delete(path.at(-1)?.member.url ?? '');
    return [...asked];
  }

  #follow(attempt: Attempt, url: string): void {
    if (this.#isOff(attempt)) return;
    this.#cluster.redirects += 1;
    attempt.redirects += 1;
    if (attempt.redirects > MAX_REDIRECTS) {
      this.#failed(attempt);
      return;
    }
    const next = this.#cluster.hostOf(url);
    if (attempt.path.includes(next) || this.#tried.has(url) || !this.#host.health.mayAsk(url)) {
      this.#tried.add(url);
    } else attempt.path.push(next);
    this.#ask(attempt);
  }

  #goBack(attempt: Attempt): void {
    if (this.#isOff(attempt)) return;
    this.#host.health.failed((attempt.path.at(-1) as Host).member.url);
    this.#tryAnother(attempt);
  }

  /** Whoever sent us to one that does not serve is asked for another. */
  #tryAnother(attempt: Attempt): void {
    if (this.#isOff(attempt)) return;
    const { member } = attempt.path.at(-1) as Host;
    if (attempt.path.length === 1 || attempt.redirects === MAX_REDIRECTS) this.#failed(attempt);
    else {
      this.#tried.add(member.url);
      attempt.path.pop();
      attempt.redirects += 1;
      this.#ask(attempt);
    }
  }

  #receive(attempt: Attempt, target: Host): void {
    if (this.#isOff(attempt)) return;
    if (!target.isUp) {
      this.#goBack(attempt);
      return;
    }
    this.#open(attempt, target.node, () => {
      this.#host.hedging.took(this.#cluster.events.nowMs - attempt.askedMs);
      this.#settleOn(attempt);
    });
  }

  #askRoot(attempt: Attempt): void {
    const { root, events } = this.#cluster;
    events.after(2 * this.#cluster.latencyMs(), () => {
      if (this.#isOff(attempt)) return;
      root.want(this.#chunk);
      this.#open(attempt, root.node, () => this.#settleOn(attempt));
    });
  }

  #open(attempt: Attempt, from: number, began: () => void): void {
    this.from = attempt.path.length === 0 ? 'root' : 'sibling';
    attempt.flow = this.#cluster.network.open({
      ...{ from, to: this.#host.node, chunk: this.#chunk, began },
      landed: () => this.#land(attempt),
      lost: () => this.#lost(attempt),
    });
  }

  /** What broke is gone on with elsewhere, at the byte where it broke. */
  #lost(attempt: Attempt): void {
    this.#cluster.events.after(this.#cluster.latencyMs(), () => {
      if (this.#isOff(attempt)) return;
      const sender = attempt.path.at(-1);
      if (sender !== undefined) this.#host.health.failed(sender.member.url);
      this.#failed(attempt);
    });
  }

  /** Whoever sends first is kept; the others are given up. */
  #settleOn(winner: Attempt): void {
    for (const attempt of this.#attempts) {
      if (attempt === winner || attempt.isOver) continue;
      attempt.isOver = true;
      if (attempt.flow !== undefined) this.#cluster.network.close(attempt.flow);
      const slow = attempt.path[0];
      if (slow !== undefined && attempt.askedMs < winner.askedMs) this.#host.health.failed(slow.member.url);
    }
    this.#attempts = [winner];
  }

  #failed(attempt: Attempt): void {
    attempt.isOver = true;
    if (this.#attempts.every(({ isOver }) => isOver)) this.next();
  }

  #land({ path }: Attempt): void {
    const sender = path.at(-1);
    if (sender !== undefined) this.#host.health.succeeded(sender.member.url);
    this.#attempts = [];
    this.#host.coming.delete(this.#chunk);
    for (const landed of this.waiting) landed();
  }
}

const isAwaiting = ({ path, flow, isOver }: Attempt, host: Host): boolean =>
  !isOver && path.at(-1) === host && flow?.hasBegun !== true;
