import { parseAddress } from '../../protocol/address.ts';
import { P2PError } from '../../protocol/errors.ts';
import type { Logger } from '../../service/log.ts';
import type { OriginAccess } from '../../service/origin-access.ts';
import type { Registries } from '../../service/registries.ts';
import type { Rules } from '../../service/rules.ts';
import { tellAlive } from './alive.ts';
import type { Invoke, WarmCall } from './call.ts';
import type { FillParts } from './fill-blob.ts';
import { digestOf, imageOf, jobId, type WarmOrder } from './job.ts';
import type { JobReader } from './job-reader.ts';
import { Lane } from './lane.ts';
import type { Ledger } from './ledger.ts';
import { type PlannedBlob, planTasks } from './plan.ts';
import { isUnderWay, type Plan, type Progress, progressOf, type Run } from './progress.ts';
import { resolveJob } from './resolve.ts';

/** What warming takes. */
export interface WarmerParts {
  readonly ledger: Ledger;
  readonly store: FillParts['store'];
  readonly chunkBytes: number;
  /** A reader with the logins of a job. */
  readonly readerFor: (order: WarmOrder) => JobReader;
  readonly registries: Pick<Registries, 'originOf'>;
  readonly access: Pick<OriginAccess, 'checkListed'>;
  readonly rules: Pick<Rules, 'judge'>;
  readonly invoke: Invoke;
  /** Most lanes of one job, each of which fetches a few chunks at once. */
  readonly lanes: number;
  /** Names a run; never twice the same. */
  readonly newRun: () => string;
  readonly log: Logger;
  readonly now: () => number;
}

// Handed over so often a job has been at it for hours: something is wrong, and somebody has to ask for it again. Lambda
// by itself ends a function that calls itself at the sixteenth time (Lambda developer guide, "Recursive loop detection").
const MAX_HANDOVERS = 10;

/**
 * Has images and other blobs fetched before anybody asks for them. A job is cut into lanes that different processes
 * may work on; how far each has come is kept beside the chunks, so that every root over the store can tell. Every chunk
 * that is there already is passed over, whoever put it there: a job that broke off, asked for again, goes on.
 */
export class Warmer {
  readonly #parts: WarmerParts;

  constructor(parts: WarmerParts) {
    this.#parts = parts;
  }

  /**
   * Begins a job, unless it is under way.
   *
   * @throws P2PError ORIGIN_NOT_ALLOWED, RULE_DENIED for what this root does not read; STORE_READ_FAILED,
   * STORE_WRITE_FAILED; what invoking fails with.
   */
  async start(order: WarmOrder): Promise<Progress> {
    const { ledger, invoke, newRun, now, log } = this.#parts;
    this.#check(order);
    const id = jobId(order.job);
    const known = await this.progress(id);
    if (known !== undefined && isUnderWay(known)) return known;
    const { images, platforms } = order.job;
    const run: Run = { run: newRun(), images, platforms, startedAtMs: now(), aliveAtMs: now() };
    await ledger.putRun(id, run);
    await invoke({ ...order, id, run: run.run, lane: 'plan', handovers: 0 });
    log.info({ id, run: run.run, images }, 'warm_started');
    return progressOf(id, run, [], now());
  }

  /** How far a job has come; `undefined` for one that nobody has asked for. */
  async progress(id: string): Promise<Progress | undefined> {
    const { ledger, now } = this.#parts;
    const run = await ledger.run(id);
    return run && progressOf(id, run, await ledger.lanes(id, run), now());
  }

  /** The blobs of a job, as far as they are known. */
  async blobs(id: string): Promise<readonly PlannedBlob[]> {
    const run = await this.#parts.ledger.run(id);
    return run?.plan?.blobs ?? [];
  }

  /**
   * Does what a call asks for, handing over what is left when `late` aborts. Called twice with the same it does
   * nothing twice.
   *
   * @throws P2PError STORE_WRITE_FAILED, STORE_READ_FAILED; the reason of `signal` on abort.
   */
  async perform(call: WarmCall, late: AbortSignal, signal: AbortSignal): Promise<void> {
    const { ledger, invoke, log } = this.#parts;
    const { id, lane, handovers } = call;
    const run = await ledger.run(id);
    if (run?.run !== call.run) return log.info({ id, run: call.run, lane }, 'warm_replaced');
    if (lane === 'plan') return this.#plan(call, run, signal);
    if (run.plan === undefined) return;
    const parts = { ...this.#parts, reader: this.#parts.readerFor(call), late, failed: this.#failed(call) };
    const end = await new Lane({ ...call, lane }, run.plan, parts).work(signal);
    log.info({ id, run: call.run, lane, end }, 'warm_lane_ended');
    if (end === 'late' && handovers < MAX_HANDOVERS) await invoke({ ...call, handovers: handovers + 1 });
  }

  async #plan(call: WarmCall, begun: Run, signal: AbortSignal): Promise<void> {
    const { ledger, invoke, log } = this.#parts;
    const { id } = call;
    // Whoever was here before may have died before it had called for all lanes.
    const plan = begun.plan ?? (await this.#resolve(call, begun, signal));
    log.info({ id, run: call.run, blobs: plan.blobs.length, failures: plan.failures }, 'warm_planned');
    const lanes = await ledger.lanes(id, { ...begun, plan });
    const idle = lanes.flatMap((lane, n) => (lane === undefined ? [n] : []));
    await Promise.all(idle.map((lane) => invoke({ ...call, lane })));
  }

  async #resolve(call: WarmCall, run: Run, signal: AbortSignal): Promise<Plan> {
    const { ledger, chunkBytes, now, readerFor } = this.#parts;
    const alive = () => ledger.putRun(call.id, { ...run, aliveAtMs: now() });
    await using telling = tellAlive(alive, this.#failed(call));
    const resolved = await resolveJob(call.job, { ...this.#parts, reader: readerFor(call) }, signal);
    const lanes = Math.min(this.#parts.lanes, planTasks(resolved.blobs, chunkBytes).length);
    const plan = { ...resolved, chunkBytes, lanes };
    await telling[Symbol.asyncDispose]();
    await ledger.putRun(call.id, { ...run, aliveAtMs: now(), plan });
    return plan;
  }

  #failed({ id, run, lane }: WarmCall): (cause: unknown) => void {
    return (cause) => this.#parts.log.warn({ id, run, lane, cause }, 'warm_progress_unkept');
  }

  /** What would be refused anyway is refused at once, to whoever asks for it. */
  #check(order: WarmOrder): void {
    const { registries, access, rules, readerFor } = this.#parts;
    const { images, digests, urls } = order.job;
    readerFor(order);
    for (const { registry } of [...images.map(imageOf), ...digests.map(digestOf)]) {
      registries.originOf(registry, `the registry ${registry}`);
    }
    for (const url of urls) {
      access.checkListed(new URL(url));
      rules.judge(parseAddress(url), 'GET');
    }
  }
}

/** What there is to say of a job that nobody has asked for. */
export const unknownJob = (id: string): P2PError =>
  new P2PError('API_NOT_FOUND', `there is no job ${id}: POST it to /api/v1/warm`);
