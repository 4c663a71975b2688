import { KiB, MiB } from '../../blob/chunk.ts';
import { flag, object, port, size } from './setting-schema.ts';
import type { Settings } from './settings.ts';

/** The section `P2PConfig`. */
export const p2pConfig = object<Settings['P2PConfig']>(
  'The P2P port: blobs for other nodes, overlaybd and curl.',
  {
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
      description:
        'Where this agent stands, such as a rack or an availability zone: agents of one zone share.',
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
        VerifyClients: flag(
          'Whether whoever connects from another host has to show a certificate too.',
          false,
        ),
      },
    ),
    Host: { type: 'string', format: 'host', description: 'Address to listen on.', default: '0.0.0.0' },
    Port: port('P2P port; 0 takes any free one.', 19_145),
    APIKey: {
      type: 'string',
      pattern: '^[A-Za-z0-9._~-]+$',
      patternHint: 'must be one path segment of letters, digits and . _ ~ -',
      description:
        'First segment of the path on the P2P port, the same on all nodes: /<APIKey>/<origin URL>.',
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
      MemCacheSize: size(
        'Most bytes kept in memory. A root over S3 takes as much again for what it has not written there yet.',
        '256MiB',
      ),
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
  },
);
