/**
 * The configuration after it was read, checked and filled with defaults. Keys are those of the file, DadiP2P's
 * own where it has one; sizes are in bytes, times in milliseconds, rates in bytes a
 * second.
 */
export interface Settings {
  readonly LogLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'panic';
  readonly ProxyConfig: {
    /** Address the proxy port listens on; 127.0.0.1, for a proxy open to the network is open to all. */
    readonly Host: string;
    readonly Port: number;
    readonly ProxyHTTPS: boolean;
    readonly CertConfig: {
      readonly CertPath: string;
      readonly KeyPath: string;
      readonly GenerateCert: boolean;
    };
    /** How accelerated requests are answered: with the bytes, or by a redirect to the P2P port, as DadiP2P does. */
    readonly Proxy: 'serve' | 'redirect';
    /** Origins that this port stands in for. */
    readonly Reverse: readonly ReverseRoute[];
    /** First match wins; what no rule matches passes through. */
    readonly Rules: readonly Rule[];
  };
  readonly P2PConfig: {
    readonly RunMode: 'root' | 'agent';
    /** `host:port`, or a whole http(s) URL. */
    readonly RootList: readonly string[];
    /** `directory`, `host:port` or URL, `dns+host:port`, `dnssrv+name`. */
    readonly Siblings: readonly string[];
    readonly Zone: string;
    readonly Weight: number;
    /** `host:port`; empty: the system's. */
    readonly DNSServer: string;
    /** Siblings that are given a chunk at a time. */
    readonly Fanout: number;
    readonly NodeIP: string;
    readonly DetectAddr: string;
    /** TLS on the P2P port. */
    readonly ServeBySSL: boolean;
    /** With ServeBySSL; files that are not named are made of `Secret`. */
    readonly CertConfig: {
      readonly CertPath: string;
      readonly KeyPath: string;
      readonly CAPath: string;
      readonly VerifyClients: boolean;
    };
    readonly Host: string;
    readonly Port: number;
    readonly APIKey: string;
    readonly CacheConfig: {
      readonly FileCacheSize: number;
      readonly FileCachePath: string;
      readonly MemCacheSize: number;
      readonly ChunkSize: number;
      /** Bytes left free on the cache's file system. */
      readonly MinFree: number;
    };
    readonly PrefetchConfig: {
      readonly PrefetchEnable: boolean;
      /** Most chunks fetched ahead of readers at one time, in the whole process. */
      readonly PrefetchThread: number;
    };
  };
  /** Origins that may be read: `scheme://host[:port]`, a host, `*.suffix`, or a preset. */
  readonly Origins: readonly string[];
  readonly OriginFallback: boolean;
  /** What all nodes of a cluster know, and nobody else; the first signs, each is believed. Empty: anyone is believed. */
  readonly Secret: readonly string[];
  /** File of authorities' certificates that are trusted beside Node's own; empty: none. */
  readonly ExtraCA: string;
  readonly Mirror: {
    /** Origin of the registry that is meant when a client names none. */
    readonly Default: string;
    /** Name, as in `?ns=`, to origin. */
    readonly Registries: Readonly<Record<string, string>>;
  };
  readonly Tags: {
    /** How old a tag's last answer may be that stands in for an origin that cannot be reached. */
    readonly MaxStale: number;
  };
  /** Absent: a root keeps its chunks in the folder FileCachePath. */
  readonly S3?: {
    readonly Endpoint: string;
    readonly Bucket: string;
    readonly Region: string;
    readonly AccessKeyId?: string;
    readonly SecretAccessKey?: string;
    readonly Prefix: string;
  };
  /** What a root goes on keeping. */
  readonly Sweep: {
    /** 0 for any number. */
    readonly MaxBytes: number;
    /** 0 for ever. */
    readonly MaxAge: number;
    /** 0 for never. */
    readonly Every: number;
    readonly Rehash: boolean;
  };
  /** Who may read what is cached. */
  readonly Access: {
    /** How long the origin's yes to a credential holds. */
    readonly Ttl: number;
    readonly OnOutage: 'deny' | 'stale';
    readonly Check: boolean;
  };
  readonly Limits: {
    /** Requests of siblings that are answered at a time. */
    readonly MaxConnections: number;
    /** Bytes a second that other nodes are sent; 0 for any. */
    readonly Upload: number;
    /** Bytes a second that are fetched of other nodes and of origins; 0 for any. */
    readonly Download: number;
  };
  readonly Admin: {
    readonly Host: string;
    readonly Port: number;
    /** Any of them opens the API. */
    readonly Tokens: readonly string[];
  };
  readonly Timeouts: {
    readonly Connect: number;
    readonly FirstByte: number;
    readonly Idle: number;
    /** How long SIGTERM lets transfers finish. */
    readonly Drain: number;
    /** How long a client may take over the head of a request. */
    readonly RequestHead: number;
  };
}

/** Which requests of the proxy port that name no origin go to which; by host, else by the longest path. */
export interface ReverseRoute {
  /** The name clients use, without a port. One of Host and Path is given. */
  readonly Host?: string;
  /** The beginning of the path clients use, `/…/`. */
  readonly Path?: string;
  /** Where they are sent: the rest of the path follows it. */
  readonly Origin: string;
  /** Whether the origin is asked without `Path`. */
  readonly StripPath: boolean;
}

export type Action = 'accelerate' | 'pass' | 'deny';

/** What happens to a request that matches. */
export type Rule = { readonly Preset: string } | OwnRule;

/** A rule written out. Of the conditions those that are given must all hold. */
export interface OwnRule {
  /** RE2 expression over the whole URL; a group named `sha256` makes what it captures the digest of the blob. */
  readonly Match?: string;
  /** `host`, `host:port`, `*.suffix` or `*`: any one of them. */
  readonly Hosts?: readonly string[];
  readonly Methods?: readonly string[];
  readonly Action: Action;
  readonly Immutable?: boolean;
  readonly IgnoreQuery?: boolean | readonly string[];
  /** Bytes. */
  readonly MinSize?: number;
}
