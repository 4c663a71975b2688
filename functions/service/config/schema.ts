import { KiB, MiB } from '../../blob/chunk.ts';
import { proxyConfig } from './proxy-schema.ts';
import { flag, type Keys, object, port, rate, type SettingSchema, size, time } from './setting-schema.ts';
import type { Settings } from './settings.ts';

const p2pConfig = object<Settings['P2PConfig']>('The P2P port: blobs for other nodes, overlaybd and curl.', {
  RunMode: {
    type: 'string',
    enum: ['root', 'agent'],
    description: 'agent serves the clients of a host and asks the roots; root alone reads the origins.',
    default: 'agent',
  },
  RootList: {
    type: 'array',
    items: { type: 'string', format: 'root-address' },
    description: 'The roots an agent asks, each host:port or an http(s) URL.',
    default: [],
  },
  Siblings: {
    type: 'array',
    items: { type: 'string', format: 'sibling' },
    description:
      "How agents find each other: directory, by the roots, which takes a Secret; host:port or URL of each; dns+NAME:PORT, all addresses of a name, such as a headless service's; dnssrv+NAME, by SRV records. The same on all of them. Names are resolved again every 10 s. Empty: an agent is alone.",
    default: ['directory'],
  },
  Zone: {
    type: 'string',
    format: 'zone',
    description: 'Where this agent stands, such as a rack or an availability zone: agents of one zone share.',
    default: '',
  },
  Weight: {
    type: 'integer',
    minimum: 1,
    maximum: 100,
    description: 'How much of the work an agent takes beside others that the directory tells of.',
    default: 1,
  },
  DNSServer: {
    type: 'string',
    format: 'dns-server',
    description:
      "host:port of the server that dns+ and dnssrv+ ask, such as Consul's 127.0.0.1:8600; empty: as this host resolves names.",
    default: '',
  },
  Fanout: {
    type: 'integer',
    minimum: 1,
    maximum: 64,
    description:
      'How many siblings an agent gives a chunk at a time; those that come later have it from one of these. 2 is what DadiP2P does.',
    default: 4,
  },
  NodeIP: {
    type: 'string',
    description: 'Address that other nodes reach this one at; empty finds out by DetectAddr.',
    default: '',
  },
  DetectAddr: {
    type: 'string',
    format: 'host-port',
    description: 'host:port whose route tells the address of this node; nothing is sent there.',
    default: '8.8.8.8:80',
  },
  ServeBySSL: flag(
    'TLS on the P2P port, for all nodes of a cluster or none. Roots and siblings that are named without a scheme are then asked by https.',
    false,
  ),
  CertConfig: object<Settings['P2PConfig']['CertConfig']>(
    'Certificates of the P2P port with ServeBySSL. Without files each node makes its own at every start, by an authority that is derived from Secret: so they know each other, and nothing has to be handed round.',
    {
      CertPath: {
        type: 'string',
        description:
          "PEM file of this node's certificate, for the address that others reach it at, and its chain.",
        default: '',
      },
      KeyPath: { type: 'string', description: 'PEM file of its private key.', default: '' },
      CAPath: {
        type: 'string',
        description: 'PEM file of the authorities that certify nodes. Of siblings no other is believed.',
        default: '',
      },
      VerifyClients: flag('Whether whoever connects from another host has to show a certificate too.', false),
    },
  ),
  Host: { type: 'string', format: 'host', description: 'Address to listen on.', default: '0.0.0.0' },
  Port: port('P2P port; 0 takes any free one.', 19_145),
  APIKey: {
    type: 'string',
    pattern: '^[A-Za-z0-9._~-]+$',
    patternHint: 'must be one path segment of letters, digits and . _ ~ -',
    description: 'First segment of the path on the P2P port, the same on all nodes: /<APIKey>/<origin URL>.',
    default: 'dadip2p',
  },
  CacheConfig: object<Settings['P2PConfig']['CacheConfig']>('What this node keeps.', {
    FileCacheSize: size('Most bytes kept on disk, a hard cap.', '4GiB'),
    FileCachePath: {
      type: 'string',
      minLength: 1,
      description: 'Folder of the disk cache. It belongs to this node alone.',
      default: '/var/cache/dadip2p',
    },
    MemCacheSize: size('Most bytes kept in memory.', '256MiB'),
    ChunkSize: {
      type: 'size',
      minimum: 64 * KiB,
      maximum: 64 * MiB,
      powerOfTwo: true,
      description:
        'Unit of transfer and caching, a power of two from 64KiB to 64MiB. At most 4MiB when roots are functions. A change starts with an empty cache.',
      default: '4MiB',
    },
    MinFree: size(
      'Bytes left free on the file system of the cache, whatever FileCacheSize allows.',
      '256MiB',
    ),
  }),
  PrefetchConfig: object<Settings['P2PConfig']['PrefetchConfig']>(
    'Reading ahead of clients that read in order.',
    {
      PrefetchEnable: flag('Whether chunks are fetched before they are asked for.', true),
      PrefetchThread: {
        type: 'integer',
        minimum: 1,
        maximum: 4096,
        description: 'Most chunks fetched ahead at one time, in the whole process.',
        default: 64,
      },
    },
  ),
});

const s3: SettingSchema = {
  type: 'object',
  description: 'Where a root keeps its chunks; without this section, in the folder FileCachePath.',
  required: ['Endpoint', 'Bucket'],
  properties: {
    Endpoint: { type: 'string', format: 'http-url', description: 'URL of the S3-compatible service.' },
    Bucket: { type: 'string', minLength: 1, description: 'Bucket that holds the chunks.' },
    Region: {
      type: 'string',
      minLength: 1,
      description: 'Region that requests are signed for.',
      default: 'us-east-1',
    },
    AccessKeyId: {
      type: 'string',
      minLength: 1,
      secret: true,
      description: 'Key pair; without it the usual AWS sources are tried.',
    },
    SecretAccessKey: {
      type: 'string',
      minLength: 1,
      secret: true,
      description: 'Better given as DADIP2P_S3__SecretAccessKey than written here.',
    },
    Prefix: { type: 'string', description: 'Put before the name of every object.', default: '' },
  } satisfies Keys<Settings['S3'] & object>,
};

/** Every setting with its type, limits, default and meaning: the one place they are written down. */
export const SETTINGS_SCHEMA = object<Settings>('', {
  LogLevel: {
    type: 'string',
    enum: ['trace', 'debug', 'info', 'warn', 'error', 'panic'],
    description: 'Least severe events that are logged.',
    default: 'info',
  },
  ProxyConfig: proxyConfig,
  P2PConfig: p2pConfig,
  Origins: {
    type: 'array',
    items: { type: 'string', format: 'origin' },
    description:
      'Origins that may be read: scheme://host[:port], a host, *.suffix, preset:NAME, or * for any. Presets are registries, for the public ones, huggingface, pypi, npm, deb and git-lfs. An address that is not public is open only to an entry without a wildcard that matches scheme, host and port as far as it names them.',
    default: ['preset:registries'],
  },
  OriginFallback: flag('Whether an agent reads the origin itself when no root can serve.', true),
  Secret: {
    type: 'array',
    items: { type: 'string', format: 'secret', secret: true },
    maxItems: 8,
    secret: true,
    description:
      'What all nodes of a cluster share, and nobody else knows: nodes then serve only each other and clients on their own host, and believe what one of them says of a chunk or a right. Texts of at least 32 letters (openssl rand -base64 32): the first signs, each is believed. To change it, add the new one as the second on all nodes, then make it the first, then remove the old one. Better given as DADIP2P_Secret than written here. Empty: the P2P port serves anyone.',
    default: [],
  },
  ExtraCA: {
    type: 'string',
    description:
      'PEM file of authorities that are trusted beside those that Node trusts (its own and those of NODE_EXTRA_CA_CERTS) when an origin, a root or S3 is spoken to over TLS; empty: none. Their certificates are always checked: there is no setting to turn that off.',
    default: '',
  },
  Mirror: object<Settings['Mirror']>('The registry mirror: /v2/… on the proxy port.', {
    Default: {
      type: 'string',
      format: 'origin-url',
      description:
        'Registry that is asked for when a client names none, as dockerd does not. It must be among Origins.',
      default: 'https://registry-1.docker.io',
    },
    Registries: {
      type: 'map',
      values: { type: 'string', format: 'origin-url' },
      description:
        'Where to find a registry that a client names by ?ns=NAME, as containerd does: "NAME: scheme://host[:port]", which must be among Origins. Any other NAME is read from https://NAME if Origins lists that.',
      default: {},
    },
  }),
  Tags: object<Settings['Tags']>('Tags of images that are pulled through the mirror.', {
    MaxStale: {
      type: 'duration',
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        'For how long a tag still names what it named when the registry was last asked, while that cannot be reached; 0: not at all.',
      default: '24h',
    },
  }),
  S3: s3,
  Sweep: object<Settings['Sweep']>(
    'What a root goes on keeping. Whatever was used within the last 76 minutes stays in any case, for somebody may still read what they were told of.',
    {
      MaxBytes: size(
        'Most bytes kept; above it those go that were not used for longest. 0: any number.',
        '0',
      ),
      MaxAge: {
        type: 'duration',
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'For how long a blob is kept that nobody reads; 0: for ever.',
        default: '30d',
      },
      Every: {
        type: 'duration',
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description:
          'How often a root that is a server looks; 0: never. A function is called by its schedule.',
        default: '6h',
      },
      Rehash: flag(
        'Whether each sweep also hashes all chunks of proven blobs, and removes those that rotted. It reads all that is kept.',
        false,
      ),
    },
  ),
  Access: object<Settings['Access']>(
    'Who may read what is cached. What its origin gives to anyone is public; anything else is served to those alone whose own credential the origin accepts for that repository or URL.',
    {
      Ttl: time("How long the origin's yes to a credential holds before it is asked again.", '5m'),
      OnOutage: {
        type: 'string',
        enum: ['deny', 'stale'],
        description:
          'When the origin cannot be asked: deny refuses what is not public; stale lets the last it said to that very credential hold on.',
        default: 'deny',
      },
      Check: flag('Whether origins are asked at all; false serves what is cached to anyone.', true),
    },
  ),
  Limits: object<Settings['Limits']>('What a node gives to others, and takes from them, at most.', {
    MaxConnections: {
      type: 'integer',
      minimum: 1,
      maximum: 65_536,
      description:
        'Requests of siblings that are answered at a time; any more are sent on to another. Clients of this host are always served.',
      default: 1024,
    },
    Upload: rate(
      'What is sent to other nodes at most, all of them together, such as 50MB/s or 200Mbit; clients of this host are not held back. 0 is no limit.',
    ),
    Download: rate(
      'What is fetched from siblings, roots and origins at most, all of them together; what is cached, and what passes through, is not held back. 0 is no limit.',
    ),
  }),
  Admin: object<Settings['Admin']>('The admin port: metrics and the API.', {
    Host: {
      type: 'string',
      format: 'host',
      description:
        'Address to listen on. On loopback the API of an agent needs no token; anywhere else it needs one of Tokens.',
      default: '127.0.0.1',
    },
    Port: port('Admin port; 0 takes any free one.', 19_345),
    Tokens: {
      type: 'array',
      secret: true,
      items: {
        type: 'string',
        secret: true,
        format: 'secret',
        pattern: '^[!-~]*$',
        patternHint: 'must be printable ASCII without spaces, for it travels in a header',
      },
      description:
        'Who sends one of these, as "Authorization: Bearer TOKEN", may use the API of a root: purge, sweep, warm, cost, at /api/v1 on its P2P port. Several, so that they can be changed one after the other; none closes it. Better given as DADIP2P_Admin__Tokens than written here.',
      default: [],
    },
  }),
  Timeouts: object<Settings['Timeouts']>('How long an upstream may keep us waiting.', {
    Connect: time('For a connection.', '2s'),
    FirstByte: time('From the request to the head of the reply.', '10s'),
    Idle: time('Between two pieces of a body.', '10s'),
    Drain: time('How long SIGTERM lets transfers finish.', '30s'),
    RequestHead: time(
      'From a client’s connection, or the end of its last request, to the end of a head that it has begun.',
      '30s',
    ),
  }),
});
