/**
 * The configuration after it was read, checked and filled with defaults. Keys are those of the file, DadiP2P's
 * own where it has one; sizes are in bytes, times in milliseconds.
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
    /** First match wins; what no rule matches passes through. */
    readonly Rules: readonly Rule[];
  };
  readonly P2PConfig: {
    readonly RunMode: 'root' | 'agent';
    /** `host:port`, or a whole http(s) URL. */
    readonly RootList: readonly string[];
    readonly NodeIP: string;
    readonly DetectAddr: string;
    readonly ServeBySSL: boolean;
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
  /** File of authorities' certificates that are trusted beside Node's own; empty: none. */
  readonly ExtraCA: string;
  /** Absent: a root keeps its chunks in the folder FileCachePath. */
  readonly S3?: {
    readonly Endpoint: string;
    readonly Bucket: string;
    readonly Region: string;
    readonly AccessKeyId?: string;
    readonly SecretAccessKey?: string;
    readonly Prefix: string;
  };
  readonly Admin: { readonly Host: string; readonly Port: number };
  readonly Timeouts: {
    readonly Connect: number;
    readonly FirstByte: number;
    readonly Idle: number;
    /** How long SIGTERM lets transfers finish. */
    readonly Drain: number;
  };
}

/** What happens to a request whose URL matches. */
export interface Rule {
  /** Regular expression over the whole URL. */
  readonly Match: string;
  readonly Action: 'accelerate' | 'pass' | 'deny';
}
