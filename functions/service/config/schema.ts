import { p2pConfig } from './p2p-schema.ts';
import { proxyConfig } from './proxy-schema.ts';
import { flag, type Keys, object, port, rate, type SettingSchema, size, time } from './setting-schema.ts';
import type { Settings } from './settings.ts';

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
