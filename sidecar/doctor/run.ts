import type { SecureContext } from 'node:tls';
import { P2PError } from '../../functions/protocol/errors.ts';
import { HttpClient } from '../../functions/service/http-client.ts';
import { type ImageName, parseImageName } from '../../functions/service/image-name.ts';
import { loadTrust } from '../../functions/service/trust.ts';
import type { Arguments } from '../cli/arguments.ts';
import type { World } from '../cli/command.ts';
import { nodeSettings } from '../cli/node-settings.ts';
import type { RuntimePlan } from '../setup/edit.ts';
import type { HostFiles } from '../setup/host-files.ts';
import { type Runtime, readManifest } from '../setup/manifest.ts';
import { hostFiles, parseRuntime, plannerOf } from '../setup/runtime.ts';
import { type Wiring, wiringOf } from '../setup/wiring.ts';
import { openNodeTls } from '../tls/node-tls.ts';
import { AUTHORITY, type AuthorityState, authorityChecks, authorityOf } from './authority-checks.ts';
import { bundleChecks } from './bundle-check.ts';
import { type Check, examineAll, failed, failedBy, formatResult, ok, type Result } from './check.ts';
import { connectCheck } from './connect-check.ts';
import { containerdChecks } from './containerd-checks.ts';
import { dockerChecks } from './docker-checks.ts';
import { type FileParts, fileChecks, RUNTIME_FILES } from './file-checks.ts';
import { agentChecks, rootCheck } from './node-checks.ts';
import { podmanChecks } from './podman-checks.ts';
import { pullChecks } from './pull-checks.ts';

// A person waits; and a pull may first have to wake a root.
const LIMITS = { connectMs: 2_000, firstByteMs: 8_000, idleMs: 8_000 };

// It asks, and serves nobody.
const ON_THIS_HOST = 'https://127.0.0.1';

type Connect = (trust?: SecureContext) => HttpClient;

/** `dadip2p doctor`: prints a line for each link, in the order a pull goes, and ends with 1 when one is broken. */
export async function examine(args: Arguments, world: World): Promise<void> {
  const runtime = parseRuntime(args, 'doctor');
  const clients: HttpClient[] = [];
  const connect: Connect = (trust) => {
    const http = new HttpClient({ ...LIMITS, connections: 4, trust });
    clients.push(http);
    return http;
  };
  const isJson = args.flags.has('json');
  const results: Result[] = [];
  try {
    const checks = await checksFor(runtime, args, world, connect);
    for await (const result of examineAll(checks)) {
      results.push(result);
      if (!isJson) world.print(formatResult(result));
    }
  } finally {
    await Promise.all(clients.map((http) => http.close()));
  }
  const faults = results.filter(({ state }) => state === 'failed').length;
  if (isJson) world.print(JSON.stringify({ runtime, ok: faults === 0, checks: results }, null, 2));
  else world.print(faults === 0 ? 'All is well.' : faults === 1 ? '1 fault.' : `${faults} faults.`);
  if (faults > 0) world.exitWith(1);
}

async function checksFor(
  runtime: Runtime,
  args: Arguments,
  world: World,
  connect: Connect,
): Promise<readonly Check[]> {
  const { flags } = args;
  const file = flags.get('cfgFile')?.at(-1);
  const name = flags.get('image')?.at(-1);
  const image = name === undefined ? undefined : imageOf(name);
  try {
    const settings = nodeSettings(args, world);
    const tls = await openNodeTls(settings, ON_THIS_HOST, Date.now());
    const nodes = connect(loadTrust(settings.ExtraCA, world.env.NODE_EXTRA_CA_CERTS, tls));
    const http = connect();
    const files = hostFiles(args);
    // containerd has the mirror for all registries, and no need of the proxy.
    const state: AuthorityState =
      runtime === 'containerd' ? { isOn: false, why: 'not needed' } : await authorityOf(settings);
    const isExpected = settings.ProxyConfig.CertConfig.GenerateCert || trustsUs(runtime, files);
    const wiring = wiringOf(settings, state.isOn ? state.interception : undefined);
    const planner = await plannerOf(runtime, wiring, args);
    const setupCommand = `dadip2p setup ${runtime}${file === undefined ? '' : ` -c ${file}`}`;
    const needs = state.isOn || 'fault' in state || isExpected ? [AUTHORITY] : [];
    const parts = { runtime, files, setupCommand, needs: runtime === 'containerd' ? [] : needs };
    return [
      { name: 'configuration', run: () => ok(file ?? 'the default settings') },
      ...agentChecks(settings, nodes),
      rootCheck(settings, nodes),
      ...(runtime === 'containerd' ? [] : authorityChecks(settings, state, isExpected, Date.now())),
      ...runtimeChecks(planner, wiring, parts, world),
      ...pullChecks(wiring, image, http),
    ];
  } catch (error) {
    if (!(error instanceof P2PError)) throw error;
    const { message } = error;
    return [{ name: 'configuration', run: () => failed(message, 'correct it, or name another file by -c') }];
  }
}

function runtimeChecks(
  planner: (files: HostFiles) => RuntimePlan,
  wiring: Wiring,
  parts: Omit<FileParts, 'planned'>,
  world: World,
): Check[] {
  const { runtime, files } = parts;
  let planned: RuntimePlan;
  try {
    planned = planner(files);
  } catch (error) {
    if (!(error instanceof P2PError)) throw error;
    return [{ name: RUNTIME_FILES, run: () => failedBy(error) }];
  }
  const own =
    runtime === 'docker'
      ? dockerChecks(wiring, planned.usesProxy, files)
      : runtime === 'containerd'
        ? containerdChecks(files)
        : podmanChecks(files, world);
  return [
    ...fileChecks({ ...parts, planned }),
    ...bundleChecks(planned, files),
    ...own,
    ...(planned.usesProxy ? [connectCheck(wiring)] : []),
  ];
}

/** True when setup has had the runtime trust an authority of ours. */
const trustsUs = (runtime: Runtime, files: HostFiles): boolean =>
  (readManifest(files).runtimes[runtime] ?? []).some(({ path }) =>
    /\/dadip2p(?:-[a-z]+)?\.(?:crt|pem)$/.test(path),
  );

function imageOf(name: string): ImageName {
  const image = parseImageName(name);
  if (image !== undefined) return image;
  throw new P2PError('CONFIG_INVALID', `--image: ${name} is no image name, as registry/repository:tag is`);
}
