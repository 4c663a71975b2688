// The second half of npm run build: each deployed function, functions/*.ts, as a file without node_modules in .esbuild/,
// where serverless.yml finds it, beside the parts that they share or load later.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { standaloneSettings } from './standalone-settings.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = `${root}.esbuild`;

// Undici's index loads fetch, WebSocket and more. Whatever else is imported of it fails the build.
const UNDICI = ['agent', 'pool'].map((name) => {
  const exported = `${name[0].toUpperCase()}${name.slice(1)}`;
  return `export { default as ${exported} } from 'undici/lib/dispatcher/${name}.js';`;
});

const TYPES = ['application/json', 'application/octet-stream', 'text/html', 'text/plain'];

/** Spares each cold start what can be done when the bundle is made, or need not be done. */
const lean = {
  name: 'lean',
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /\/service\/config\/validate\.ts$/ }, () => ({ contents: standaloneSettings() }));
    onResolve({ filter: /^undici$/ }, ({ path }) => ({ path, namespace: 'lean' }));
    onLoad({ filter: /^undici$/, namespace: 'lean' }, () => ({
      contents: UNDICI.join('\n'),
      resolveDir: root,
    }));
    // Koa looks up by it what it is told as an extension or sees in a text, of which there are these.
    onLoad({ filter: /\/mime-db\/db\.json$/ }, ({ path }) => {
      const types = Object.entries(JSON.parse(readFileSync(path, 'utf8')));
      const ours = types.filter(([name]) => TYPES.includes(name));
      return { contents: JSON.stringify(Object.fromEntries(ours)), loader: 'json' };
    });
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
    splitting: true,
    chunkNames: 'parts/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    plugins: [lean],
    // CommonJS packages inside an ES module still call require.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
}
writeFileSync(`${out}/package.json`, '{"type":"module"}\n');

// infra/prepare.mjs compares the sources with the time of this file.
mkdirSync(`${root}dist`, { recursive: true });
writeFileSync(`${root}dist/.built`, '');
