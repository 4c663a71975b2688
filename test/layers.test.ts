import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

// The same rules as .dependency-cruiser.cjs, read from the sources by other means: a tool that finds no files
// passes everything.
const test = suite('layers');

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What a layer may import: folders of ours, then packages. `node:` is a package here. */
interface Layer {
  readonly files: RegExp;
  readonly mayReach: RegExp;
  readonly remedy: string;
}

const LAYERS: readonly Layer[] = [
  {
    files: /^functions\/protocol\//,
    mayReach: /^functions\/protocol\//,
    remedy: 'the protocol imports nothing, not even node:',
  },
  {
    files: /^functions\/blob\//,
    mayReach: /^(?:functions\/(?:blob|protocol)\/|node:|lru-cache$|http-cache-semantics$|@node-rs\/crc32$)/,
    remedy: 'state what blob/ needs as a port',
  },
  {
    files: /^functions\/service\//,
    mayReach: /^(?:functions\/(?:service|blob|protocol)\/|(?!functions\/|sidecar\/|test\/|infra\/))/,
    remedy: 'service/ serves both sides: pass in what is special',
  },
  {
    files: /^functions\/root\//,
    mayReach: /^(?:functions\/(?:root|service|blob|protocol)\/|(?!functions\/|sidecar\/|test\/|infra\/))/,
    remedy: 'functions/*.ts assemble the root, not the other way round',
  },
  {
    files: /^functions\//,
    mayReach: /^(?!sidecar\/|test\/)/,
    remedy: 'a sidecar is a client of the root: move what both need into functions/',
  },
  { files: /^(?:sidecar|infra)\//, mayReach: /^(?!test\/)/, remedy: 'nothing imports test/' },
];

/** The one place that imports a heavy package. */
const DOORS: readonly { readonly packages: RegExp; readonly door: RegExp }[] = [
  { packages: /^undici(?:\/|$)/, door: /^functions\/service\/http-client\.ts$/ },
  { packages: /^@aws-sdk\/client-lambda$/, door: /^functions\/root\/invoke\.ts$/ },
  { packages: /^@aws-sdk\/(?!client-lambda$)/, door: /^functions\/root\/s3-(?:bucket|client|signer)\.ts$/ },
  { packages: /^serverless-http$/, door: /^functions\/[^/]+\.ts$/ },
  { packages: /^(?:@peculiar\/|reflect-metadata$)/, door: /^sidecar\/tls\// },
  { packages: /^ajv(?:\/|$)/, door: /^functions\/service\/config\/(?:check|compile)\.ts$/ },
];

const TOP_LEVEL = [
  'LICENSE',
  'README.md',
  'functions',
  'infra',
  'package-lock.json',
  'package.json',
  'serverless.yml',
  'sidecar',
  'test',
  'tsconfig.json',
];
// Made by npm and by the build; .gitignore has them, too.
const MADE = /^(?:node_modules|dist|coverage|.*\.log|\..*)$/;

const sources = filesBelow('functions', 'sidecar', 'infra').filter((file) => /\.(?:ts|mjs)$/.test(file));
const testFiles = filesBelow('test').filter((file) => file.endsWith('.test.ts'));

test('finds the sources', () => {
  assert.ok(sources.length > 20, `${sources.length} files`);
  assert.ok(sources.some((file) => file.startsWith('functions/protocol/')));
  assert.ok(sources.some((file) => file.startsWith('sidecar/')));
});

test('lets each layer import only what lies below it', () => {
  const faults: string[] = [];
  for (const file of sources) {
    for (const layer of LAYERS.filter(({ files }) => files.test(file))) {
      for (const target of importsOf(file)) {
        if (!layer.mayReach.test(target)) faults.push(`${file} imports ${target}: ${layer.remedy}`);
      }
    }
  }
  assert.equal(faults, []);
});

test('has one door for each heavy package', () => {
  const faults: string[] = [];
  for (const file of sources.filter((file) => !file.startsWith('infra/'))) {
    for (const target of importsOf(file)) {
      const shut = DOORS.find(({ packages, door }) => packages.test(target) && !door.test(file));
      if (shut) faults.push(`${file} imports ${target}: only ${shut.door.source} may`);
    }
  }
  assert.equal(faults, []);
});

test('has no cycle', () => {
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      return;
    }
    state.set(file, 'open');
    for (const target of importsOf(file)) if (sources.includes(target)) visit(target, [...path, file]);
    state.set(file, 'done');
  };
  for (const file of sources) visit(file, []);
  assert.equal(cycles, []);
});

test('runs the suite of each test file on its last line', () => {
  const faults = testFiles.filter((file) => {
    const parsed = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest);
    return !/\.run\(\);?$/.test(parsed.statements.at(-1)?.getText(parsed) ?? '');
  });
  assert.equal(faults, []);
});

test('has a source file for each test file', () => {
  const mirrored = testFiles.filter((file) => /^test\/(?:functions|sidecar|infra)\//.test(file));
  const faults = mirrored.filter((file) => {
    const source = file.replace(/^test\//, '').replace(/\.test\.ts$/, '');
    return !['.ts', '.mjs'].some((extension) => existsSync(join(ROOT, source + extension)));
  });
  assert.equal(faults, []);
  const elsewhere = testFiles.filter(
    (file) =>
      !mirrored.includes(file) && !/^test\/(?:support\/|system\/|bench\/|sim\/|lab\/|layers)/.test(file),
  );
  assert.equal(elsewhere, []);
});

test('has nothing else at the top', () => {
  const found = readdirSync(ROOT).filter((name) => !MADE.test(name));
  assert.equal(found.sort(), TOP_LEVEL);
});

test('is read whole by dependency-cruiser, which finds no fault', async () => {
  const program = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const args = [
    program,
    'functions',
    'sidecar',
    '--config',
    '.dependency-cruiser.cjs',
    '--output-type',
    'json',
  ];
  const options = { cwd: ROOT, maxBuffer: 2 ** 28, signal: AbortSignal.timeout(60_000) };
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  const { modules, summary } = JSON.parse(stdout) as {
    modules: { source: string }[];
    summary: { violations: { from: string; to: string; rule: { name: string } }[] };
  };
  const cruised = new Set(modules.map(({ source }) => source));
  const missed = sources.filter((file) => !file.startsWith('infra/') && !cruised.has(file));
  assert.equal(missed, []);
  assert.equal(
    summary.violations.map(({ from, to, rule }) => `${rule.name}: ${from} → ${to}`),
    [],
  );
});

function filesBelow(...folders: string[]): string[] {
  return folders.flatMap((folder) =>
    (readdirSync(join(ROOT, folder), { recursive: true }) as string[]).map((file) =>
      posix.join(folder, file),
    ),
  );
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** What a file imports, for types too: a path from the top for files of ours, else the package's name. */
function importsOf(file: string): string[] {
  return ts
    .preProcessFile(read(file), true, true)
    .importedFiles.map(({ fileName }) =>
      fileName.startsWith('.') ? posix.join(dirname(file), fileName) : fileName,
    );
}

test.run();
