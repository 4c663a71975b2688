import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { S3Server } from './s3-server.ts';

const run = promisify(execFile);

/** A session as a function's role has one, in the variables that tell the function of it. */
export interface Session {
  readonly AWS_ACCESS_KEY_ID: string;
  readonly AWS_SECRET_ACCESS_KEY: string;
  readonly AWS_SESSION_TOKEN: string;
}

/** Asks MinIO for a session of an hour (AWS STS API reference, AssumeRole), by curl, which can sign. */
export async function startSession({
  endpoint,
  region,
  accessKeyId,
  secretAccessKey,
}: S3Server): Promise<Session> {
  const { stdout } = await run('curl', [
    ...['--silent', '--show-error', '--fail-with-body', '--noproxy', '*'],
    ...['--aws-sigv4', `aws:amz:${region}:sts`, '--user', `${accessKeyId}:${secretAccessKey}`],
    ...['--data', 'Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600', `${endpoint}/`],
  ]);
  const of = (name: string): string => {
    const [, value] = new RegExp(`<${name}>([^<]+)</${name}>`).exec(stdout) ?? [];
    if (value === undefined) throw new Error(`no ${name} in ${stdout}`);
    return value;
  };
  return {
    AWS_ACCESS_KEY_ID: of('AccessKeyId'),
    AWS_SECRET_ACCESS_KEY: of('SecretAccessKey'),
    AWS_SESSION_TOKEN: of('SessionToken'),
  };
}
