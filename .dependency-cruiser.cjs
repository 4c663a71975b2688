// The rules of the layers. Each comment says what to do instead. test/layers.test.ts checks the same rules by
// itself, and that this cruise has read every file.

if (typeof require('typescript').transpileModule !== 'function') {
  throw new Error(
    'this TypeScript cannot be used by dependency-cruiser, which would read nothing and pass: pin 5.9',
  );
}

/** Code that may import a package is one place; everyone else asks that place. */
const door = (name, packages, paths, comment) => ({
  name,
  severity: 'error',
  comment,
  from: { path: '^(functions|sidecar)/', pathNot: paths },
  to: { path: `node_modules/${packages}` },
});

module.exports = {
  forbidden: [
    {
      name: 'no-cycle',
      severity: 'error',
      comment: 'Move what both need into a file of its own, lower down.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'protocol-imports-nothing',
      severity: 'error',
      comment: 'The protocol is pure: take what you need as an argument, or do it in blob/ or service/.',
      from: { path: '^functions/protocol/' },
      to: { pathNot: '^functions/protocol/' },
    },
    {
      name: 'blob-knows-no-service',
      severity: 'error',
      comment: 'State what you need as a port in blob/ and let service/, root/ or sidecar/ implement it.',
      from: { path: '^functions/blob/' },
      to: { path: '^(functions/(?!blob/|protocol/)|sidecar/)' },
    },
    {
      name: 'blob-packages',
      severity: 'error',
      comment:
        'The core depends on lru-cache, http-cache-semantics and a faster CRC alone; put the rest behind a port.',
      from: { path: '^functions/blob/' },
      to: {
        path: 'node_modules/',
        pathNot: 'node_modules/(lru-cache|(@types/)?http-cache-semantics|@node-rs/crc32)/',
      },
    },
    {
      name: 'service-knows-no-root',
      severity: 'error',
      comment: 'Service serves both sides: pass in what is special to a root or a sidecar.',
      from: { path: '^functions/service/' },
      to: { path: '^(functions/(?!service/|blob/|protocol/)|sidecar/)' },
    },
    {
      name: 'root-knows-no-entry',
      severity: 'error',
      comment: 'functions/*.ts assemble the root, never the other way round.',
      from: { path: '^functions/root/' },
      to: { path: '^(functions/[^/]+\\.ts$|sidecar/)' },
    },
    {
      name: 'functions-know-no-sidecar',
      severity: 'error',
      comment: 'A sidecar is a client of the root: move what both need into functions/.',
      from: { path: '^functions/' },
      to: { path: '^sidecar/' },
    },
    {
      name: 'nothing-imports-test',
      severity: 'error',
      comment: 'What the product needs lives in functions/ or sidecar/.',
      from: { pathNot: '^test/' },
      to: { path: '^test/' },
    },
    {
      name: 'no-undeclared-package',
      severity: 'error',
      comment: 'Declare it: `npm install` what the product needs, `npm install -D` what only tests need.',
      from: { path: '^(functions|sidecar)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: 'node_modules/@types/' },
    },
    {
      name: 'not-found',
      severity: 'error',
      comment: 'Correct the path, or install the package.',
      from: {},
      to: { couldNotResolve: true },
    },
    door(
      'undici-door',
      'undici/',
      '^functions/service/http-client\\.ts$',
      'Ask through functions/service/http-client.ts.',
    ),
    door(
      'koffi-door',
      'koffi/',
      '^sidecar/sendfile/native\\.ts$',
      'Call what Node has none for through sidecar/sendfile/native.ts.',
    ),
    door(
      'invoke-door',
      '@aws-sdk/client-lambda/',
      '^functions/root/invoke\\.ts$',
      'Have functions called by functions/root/invoke.ts.',
    ),
    door(
      's3-door',
      '@aws-sdk/(?!client-lambda/)',
      '^functions/root/s3-(bucket|client|signer)\\.ts$',
      'Reach S3 through functions/root/s3-bucket.ts.',
    ),
    door(
      'lambda-door',
      'serverless-http/',
      '^functions/[^/]+\\.ts$',
      'Only a deployed function wraps an app: functions/*.ts.',
    ),
    door(
      'certificate-door',
      '(@peculiar|reflect-metadata)/',
      '^sidecar/tls/',
      'Make and read certificates in sidecar/tls/, which nodes that intercept nothing do not load.',
    ),
    door(
      'schema-door',
      'ajv/',
      '^functions/service/config/(check|compile)\\.ts$',
      'Compile a schema in functions/service/config/compile.ts.',
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|test/bench/results)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'test/tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
