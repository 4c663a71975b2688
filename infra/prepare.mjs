// Runs before npm start, test and bench: installs and builds what is missing or out of date, and is done in a
// few milliseconds when nothing is. Plain JavaScript without a dependency, for on a fresh clone there is none.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const staleInstall = whyInstall();
if (staleInstall !== undefined) {
  // As locked, like `npm ci`, which will not do: it refuses a lock file without the optional packages of every
  // platform, and a registry that lacks some leaves them out. All of devDependencies are needed to build,
  // whatever NODE_ENV says.
  runNpm(staleInstall, [
    'install',
    '--no-save',
    '--include=dev',
    ...(process.env.CI ? ['--no-progress'] : []),
  ]);
}
const staleBuild = staleInstall ?? whyBuild();
if (staleBuild !== undefined) runNpm(staleBuild, ['run', '--silent', 'build']);

/** @returns {string | undefined} why the dependencies must be installed */
function whyInstall() {
  const lockAtMs = modifiedMs('package-lock.json');
  const installedAtMs = modifiedMs('node_modules/.package-lock.json');
  if (installedAtMs === undefined) return 'node_modules is missing';
  // A checkout touches the lock file without changing it, so a newer time alone says nothing.
  if (lockAtMs === undefined || lockAtMs <= installedAtMs || isInstalled()) return undefined;
  return 'package-lock.json is newer than node_modules';
}

/** True when every package of the lock file is installed as locked; optional ones may be absent. */
function isInstalled() {
  const locked = readJson('package-lock.json').packages;
  const installed = readJson('node_modules/.package-lock.json').packages;
  return Object.entries(locked).every(([path, { version, optional, devOptional, peer }]) => {
    const found = installed[path];
    return path === '' || (found === undefined ? optional || devOptional || peer : found.version === version);
  });
}

/** @returns {string | undefined} why the sources must be compiled */
function whyBuild() {
  // The last thing that a build writes.
  const builtAtMs = modifiedMs('dist/.built');
  if (builtAtMs === undefined) return 'dist is missing';
  const scripts = [
    'tsconfig.json',
    'infra/bundle.mjs',
    'infra/standalone-settings.mjs',
    'infra/bundle-sidecar.mjs',
  ];
  const sources = [...scripts, ...filesBelow('functions'), ...filesBelow('sidecar')];
  const newer = sources.find((path) => (modifiedMs(path) ?? 0) > builtAtMs);
  return newer === undefined ? undefined : `${newer} is newer than dist`;
}

function filesBelow(folder) {
  return readdirSync(`${root}${folder}`, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(path) : path;
  });
}

function modifiedMs(path) {
  return statSync(`${root}${path}`, { throwIfNoEntry: false })?.mtimeMs;
}

function readJson(path) {
  return JSON.parse(readFileSync(`${root}${path}`, 'utf8'));
}

function runNpm(reason, args) {
  console.error(`${reason}: npm ${args.join(' ')}`);
  const npm = process.env.npm_execpath;
  const [command, first] = npm === undefined ? ['npm', []] : [process.execPath, [npm]];
  const { status, error } = spawnSync(command, [...first, ...args], { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`npm ${args.join(' ')} failed${error === undefined ? '' : `: ${error.message}`}`);
  process.exit(status ?? 1);
}
