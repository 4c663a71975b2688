// The second half of npm run build: each deployed function, functions/*.ts, as one file without node_modules in
// .esbuild/, where serverless.yml finds it.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { standaloneSettings } from './standalone-settings.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = `${root}.esbuild`;

/** What a function loads before its first reply is what its cold start takes. */
const lean = {
  name: 'lean',
  setup({ onLoad }) {
    onLoad({ filter: /\/service\/config\/validate\.ts$/ }, () => ({ contents: standaloneSettings() }));
  },
};

const functions = readdirSync(`${root}functions`).filter((name) => name.endsWith('.ts'));
rmSync(out, { recursive: true, force: true });
mkdirSync(out);
if (functions.length > 0) {
  await build({
    absWorkingDir: root,
    entryPoints: functions.map((name) => `functions/${name}`),
    outdir: out,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // CommonJS packages inside an ES module still call require.
    plugins: [lean],
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
}
writeFileSync(`${out}/package.json`, '{"type":"module"}\n');

// infra/prepare.mjs compares the sources with the time of this file.
mkdirSync(`${root}dist`, { recursive: true });
writeFileSync(`${root}dist/.built`, '');
