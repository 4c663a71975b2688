import { RULE_PRESETS } from '../rule-presets.ts';
import { flag, object, port } from './setting-schema.ts';
import type { Settings } from './settings.ts';

/** The settings of the proxy port. */
export const proxyConfig = object<Settings['ProxyConfig']>(
  'The proxy port: an HTTP proxy for the clients of this host.',
  {
    Host: {
      type: 'string',
      format: 'host',
      description: 'Address to listen on. Whoever reaches this port uses the proxy: keep it on loopback.',
      default: '127.0.0.1',
    },
    Port: port('Port of the HTTP proxy; 0 takes any free one.', 19_245),
    ProxyHTTPS: flag(
      'Whether HTTPS to those hosts of Origins is intercepted for which a rule that accelerates may apply. Clients must trust the authority of CertConfig; all other CONNECTs are blind tunnels.',
      true,
    ),
    CertConfig: object<Settings['ProxyConfig']['CertConfig']>(
      'The authority whose certificates clients of ProxyHTTPS trust. While neither file is there, HTTPS is tunnelled.',
      {
        CertPath: {
          type: 'string',
          minLength: 1,
          description: 'File of its certificate, PEM; those between it and its root may follow.',
          default: 'ca.crt',
        },
        KeyPath: {
          type: 'string',
          minLength: 1,
          description: 'File of its private key, PEM.',
          default: 'ca.key',
        },
        GenerateCert: flag(
          'Make both files when they are missing, the key readable by its owner alone, the certificate constrained to the hosts that are intercepted; a constraint permits what is below a host, too. Hosts that Origins gets later are tunnelled until both files are made anew.',
          false,
        ),
      },
    ),
    Proxy: {
      type: 'string',
      enum: ['serve', 'redirect'],
      description:
        'How requests under a rule are answered: with the bytes, or by a redirect (307) to the P2P port, as DadiP2P does.',
      default: 'serve',
    },
    Reverse: {
      type: 'array',
      description:
        'Origins that this port stands in for, for clients that are given its address in place of theirs: by Host, else by the longest Path. Rules hold as for any proxy request. Naming an origin here opens it, private or not, for passing through.',
      items: {
        type: 'object',
        required: ['Origin'],
        properties: {
          Host: {
            type: 'string',
            format: 'host',
            description: 'The name clients use, without a port. Either this or Path.',
          },
          Path: {
            type: 'string',
            pattern: '^/([^?#%\\\\]*/)?$',
            patternHint: 'must begin and end with / and hold no % or ?',
            description: 'The beginning of the path clients use, such as /hf/.',
          },
          Origin: {
            type: 'string',
            format: 'http-url',
            description: 'Where they are sent; what of the path is left follows it.',
          },
          StripPath: flag('Whether the origin is asked without Path.', true),
        },
      },
      default: [],
    },
    Rules: {
      type: 'array',
      description:
        'What happens to a request: the first rule that matches decides; what no rule matches passes through. URLs are matched as parsed, in lower case up to the path; of a CONNECT tunnel only https://host:port/ and http://host:port/ can be denied. Give roots the same rules: they then keep one copy of what agents take for one blob.',
      items: {
        type: 'object',
        properties: {
          Preset: {
            type: 'string',
            enum: [...RULE_PRESETS.keys()],
            description:
              'Stands for the rules listed under this name at the end of this file. Nothing else may stand beside it.',
          },
          Match: {
            type: 'string',
            minLength: 1,
            format: 'regex',
            description:
              'RE2 expression over the whole URL. A group named sha256 makes what it captures the digest of the blob: bytes that do not match it are never served whole.',
          },
          Hosts: {
            type: 'array',
            items: { type: 'string', format: 'host-pattern' },
            description:
              'Hosts, host:port, *.suffix or *. With Match, both must hold; one of the two is needed.',
          },
          Methods: {
            type: 'array',
            items: { type: 'string', pattern: '^[A-Z]+$', patternHint: 'must be a method such as GET' },
            description:
              'Methods that the rule is for; without it, all. Only GET and HEAD are ever accelerated.',
          },
          Action: {
            type: 'string',
            enum: ['accelerate', 'pass', 'deny'],
            description:
              'accelerate serves by chunks from the cache, pass sends on as it is, deny refuses (403).',
          },
          Immutable: {
            type: 'boolean',
            description: 'The bytes behind the URL never change: what is cached is not revalidated.',
          },
          IgnoreQuery: {
            type: ['boolean', 'array'],
            items: { type: 'string' },
            description:
              'Query parameters that do not choose the content, or true for all: they go to the origin, but not into the name of the blob.',
          },
          MinSize: {
            type: 'size',
            minimum: 0,
            maximum: Number.MAX_SAFE_INTEGER,
            description: 'Smaller blobs pass through uncached.',
          },
        },
      },
      default: [{ Preset: 'oci' }],
    },
  },
);
