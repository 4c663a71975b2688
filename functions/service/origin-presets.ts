/** Host patterns that `preset:<name>` in `Origins` stands for: the public registries and where they keep their blobs. */
export const ORIGIN_PRESETS: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'registries',
    [
      'registry-1.docker.io',
      'auth.docker.io',
      'production.cloudflare.docker.com',
      'ghcr.io',
      'pkg-containers.githubusercontent.com',
      'quay.io',
      '*.quay.io',
      'gcr.io',
      '*.gcr.io',
      '*.pkg.dev',
      'registry.k8s.io',
      'mcr.microsoft.com',
      '*.data.mcr.microsoft.com',
      'public.ecr.aws',
      '*.aliyuncs.com',
    ],
  ],
]);
