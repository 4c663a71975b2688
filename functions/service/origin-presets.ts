/**
 * Host patterns that `preset:<name>` in `Origins` stands for: who publishes, and where they keep the bytes. `registries`
 * goes with the rules of `oci`, the others with those of their own name; `deb` and `git-lfs` have mirrors and servers
 * beside these.
 */
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
  [
    'huggingface',
    [
      'huggingface.co',
      'hf.co',
      'cdn-lfs.huggingface.co',
      'cdn-lfs-us-1.huggingface.co',
      'cdn-lfs-eu-1.huggingface.co',
      '*.hf.co',
    ],
  ],
  ['pypi', ['pypi.org', 'files.pythonhosted.org']],
  ['npm', ['registry.npmjs.org', 'registry.yarnpkg.com', 'npm.pkg.github.com']],
  [
    'deb',
    [
      'deb.debian.org',
      'security.debian.org',
      '*.archive.ubuntu.com',
      'archive.ubuntu.com',
      'security.ubuntu.com',
    ],
  ],
  [
    'git-lfs',
    ['github.com', 'github-cloud.githubusercontent.com', 'github-cloud.s3.amazonaws.com', 'gitlab.com'],
  ],
]);
