import type { OwnRule } from './config/settings.ts';

/** Rules under one name, for one way of publishing big files. */
export interface RulePreset {
  /** The comment above its rules in the example file. */
  readonly about: string;
  readonly rules: readonly OwnRule[];
}

/**
 * What `Preset: <name>` in `ProxyConfig.Rules` stands for. Each could be written by hand: they use what every rule
 * may use. A group named `sha256` makes what it captures the digest of the blob, so it stands only where the
 * publisher names content by its sha-256; PyPI (blake2) and Hugging Face's Xet store (a Merkle hash) do not.
 */
export const RULE_PRESETS: ReadonlyMap<string, RulePreset> = new Map<string, RulePreset>([
  [
    'oci',
    {
      about:
        'Blobs of container registries: as clients ask for them, and as the stores of Docker Hub, Quay, GitHub, Microsoft and Kubernetes name them behind a redirect. DADI’s on-demand form too.',
      rules: [
        { Match: '/blobs/sha256:[0-9a-f]{64}(?:\\?|$)', Action: 'accelerate' },
        { Match: '/v2/blobs/sha256/[0-9a-f]{2}/[0-9a-f]{64}/data(?:\\?|$)', Action: 'accelerate' },
        {
          Hosts: ['*.quay.io'],
          Match: '/sha256/[0-9a-f]{2}/(?<sha256>[0-9a-f]{64})(?:\\?|$)',
          Action: 'accelerate',
        },
        { Match: '/containers/images/sha256:(?<sha256>[0-9a-f]{64})(?:\\?|$)', Action: 'accelerate' },
      ],
    },
  ],
  [
    'huggingface',
    {
      about:
        'Files of models and data sets. HEAD is passed on: clients read the revision from the redirect that answers it. A revision given as a commit never changes; a branch is revalidated. Behind the redirect: LFS objects by sha-256, and the Xet store, whose URLs name their content.',
      rules: [
        { Hosts: ['huggingface.co', 'hf.co'], Methods: ['HEAD'], Action: 'pass' },
        {
          Hosts: ['huggingface.co', 'hf.co'],
          Match: '/resolve/[0-9a-f]{40}/',
          Action: 'accelerate',
          Immutable: true,
        },
        { Hosts: ['huggingface.co', 'hf.co'], Match: '/resolve/', Action: 'accelerate' },
        {
          Hosts: [
            'cdn-lfs.huggingface.co',
            'cdn-lfs.hf.co',
            'cdn-lfs-us-1.huggingface.co',
            'cdn-lfs-us-1.hf.co',
            'cdn-lfs-eu-1.huggingface.co',
            'cdn-lfs-eu-1.hf.co',
          ],
          Match: '/(?<sha256>[0-9a-f]{64})(?:\\?|$)',
          Action: 'accelerate',
        },
        {
          Hosts: ['cas-bridge.xethub.hf.co', 'cas-bridge-direct.xethub.hf.co'],
          Match: '/xet-bridge-[a-z0-9-]+/[0-9a-f]+/[0-9a-f]{64}(?:\\?|$)',
          Action: 'accelerate',
          Immutable: true,
          IgnoreQuery: true,
        },
      ],
    },
  ],
  [
    'pypi',
    {
      about: 'Wheels and source archives; the index is passed on.',
      rules: [
        {
          Hosts: ['files.pythonhosted.org'],
          Match: '/packages/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/',
          Action: 'accelerate',
          Immutable: true,
        },
      ],
    },
  ],
  [
    'npm',
    {
      about: 'Tarballs, which a registry never replaces; metadata is passed on.',
      rules: [
        {
          Hosts: ['registry.npmjs.org', 'registry.yarnpkg.com', 'npm.pkg.github.com'],
          Match: '/-/[^?]+\\.tgz(?:\\?|$)',
          Action: 'accelerate',
          Immutable: true,
        },
      ],
    },
  ],
  [
    'deb',
    {
      about:
        'Packages of Debian, Ubuntu and their kin, on any mirror: what is in pool/ never changes, and indices by hash name their content. The rest of dists/ changes with every release and is passed on.',
      rules: [
        {
          Match: '/dists/[^?]+/by-hash/SHA256/(?<sha256>[0-9a-f]{64})(?:\\?|$)',
          Action: 'accelerate',
        },
        {
          Match: '/pool/[^?]+\\.(?:deb|udeb|ddeb|dsc|buildinfo|diff\\.gz|tar\\.[a-z0-9]+)(?:\\?|$)',
          Action: 'accelerate',
          Immutable: true,
        },
      ],
    },
  ],
  [
    'git-lfs',
    {
      about: 'Objects of Git LFS by their sha-256: GitHub’s store, GitLab, Gitea and Forgejo.',
      rules: [
        {
          Hosts: ['github-cloud.githubusercontent.com', 'github-cloud.s3.amazonaws.com'],
          Match: '/alambic/media/[0-9]+/[0-9a-f]{2}/[0-9a-f]{2}/(?<sha256>[0-9a-f]{64})(?:\\?|$)',
          Action: 'accelerate',
        },
        {
          Match: '/(?:gitlab-lfs|info/lfs)/objects/(?<sha256>[0-9a-f]{64})(?:/[^/?]*)?(?:\\?|$)',
          Action: 'accelerate',
        },
      ],
    },
  ],
  [
    'generic',
    {
      about:
        'Archives, disk images, installers and models of 1 MiB and more by their extension, on any host; revalidated as their origin says.',
      rules: [
        {
          Match:
            '(?i)^[^?]+\\.(?:tar|tgz|txz|tbz2|(?:tar\\.)?(?:gz|xz|bz2|zst)|zip|7z|jar|war|whl|iso|img|raw|qcow2|vmdk|vdi|vhdx?|ova|rpm|deb|apk|dmg|pkg|msi|exe|bin|gguf|safetensors|onnx|parquet)(?:\\?|$)',
          Action: 'accelerate',
          MinSize: 1024 * 1024,
        },
      ],
    },
  ],
]);
