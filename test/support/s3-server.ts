/** A real S3 server with one empty bucket, as a store is configured for it. */
export interface S3Server extends AsyncDisposable {
  readonly server: 'minio' | 'radosgw';
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
  /** The server's own process, for a test that takes it away. */
  readonly pid: number;
}
