// Part of npm run build, after tsc: puts the modules that a node starts from into a few files, in the place of those
// that tsc has written. Supervisor and worker then read these instead of a thousand, and start in half the time.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = 'dist/sidecar';
// As esbuild names what several files share.
const PART = /-[0-9A-Z]{8}\.js(?:\.map)?$/;

/** A module finds what tsc has put beside it, although it is now in a file of the folder `out` itself. */
const keepUrls = {
  name: 'keep-urls',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const place = relative(`${root}sidecar`, path).replace(/\.ts$/, '.js');
      const url = `new URL(${JSON.stringify(place)}, import.meta.url).href`;
      return { loader: 'ts', contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', url) };
    });
  },
};

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ['sidecar/main.ts', 'sidecar/worker.ts'],
  outdir: out,
  bundle: true,
  splitting: true,
  sourcemap: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // It looks for parts of itself when it runs.
  external: ['jsonc-parser'],
  plugins: [keepUrls],
  // CommonJS packages inside an ES module still call require.
  // Under a name that no module has: what is put before the bundle esbuild does not rename.
  banner: {
    js: "import{createRequire as requireOfBundle}from'node:module';const require=requireOfBundle(import.meta.url);",
  },
  logLevel: 'warning',
  metafile: true,
});

// What earlier builds have left; after this one, so that a node that runs finds its files all the while.
for (const name of readdirSync(`${root}${out}`)) {
  if (PART.test(name) && !(`${out}/${name}` in metafile.outputs)) rmSync(`${root}${out}/${name}`);
}
