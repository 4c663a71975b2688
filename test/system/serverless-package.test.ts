import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chunkPath, leasePath } from '../../functions/blob/path.ts';
import { USAGE_FOLDER } from '../../functions/root/cost/usage.ts';
import { entriesFolder } from '../../functions/root/directory-entry.ts';
import { STATE_PATH } from '../../functions/root/sweep/state.ts';
import { runPath } from '../../functions/root/warm/ledger.ts';
import { loadSettings } from '../../functions/service/config/load.ts';
import { shared } from '../support/shared.ts';
import { tempDir } from '../support/temp-dir.ts';
import { zipNames } from '../support/zip.ts';

const test = suite('system/serverless-package');
const run = promisify(execFile);

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const SERVERLESS = join(REPOSITORY, 'node_modules/serverless/bin/serverless.js');
const MAX_ZIP_BYTES = 3 * 2 ** 20;

// As CloudFormation reads it: anything.
type Json = ReturnType<typeof JSON.parse>;

interface Packaged extends AsyncDisposable {
  readonly template: Json;
  readonly zip: string;
}

/** Runs osls without credentials, and without a network to find any by. */
const serverless = (args: readonly string[], home: string, more: Readonly<Record<string, string>> = {}) =>
  run(process.execPath, [SERVERLESS, ...args, '--stage', 'shown'], {
    cwd: REPOSITORY,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      AWS_EC2_METADATA_DISABLED: 'true',
      HTTPS_PROXY: 'http://127.0.0.1:1',
      SLS_TELEMETRY_DISABLED: '1',
      SLS_NOTIFICATIONS_MODE: 'off',
      ...more,
    },
  });

async function packageService(params: readonly string[] = []): Promise<Packaged> {
  assert.ok(existsSync(join(REPOSITORY, '.esbuild/read.js')), 'npm run build makes the bundle');
  const dir = await tempDir();
  const given = params.map((param) => `--param=${param}`);
  await serverless(['package', '--package', dir.path, ...given], dir.path);
  const template = JSON.parse(
    readFileSync(join(dir.path, 'cloudformation-template-update-stack.json'), 'utf8'),
  );
  const zip = join(dir.path, 'dadip2p.zip');
  return { template, zip, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

const packaged = shared(test, () => packageService());
/** The same with every parameter given. */
const parameterized = shared(test, () =>
  packageService(['concurrency=20', 'expireDays=7', 'maxBytes=500GiB', 'alarmEmail=a@example.com']),
);

const ofType = ({ Resources }: Json, type: string): Json[] =>
  Object.values<Json>(Resources).filter(({ Type }) => Type === type);

/** A resource of a statement as text, with names of the template in braces. */
function arn(resource: Json): string {
  if (typeof resource === 'string') return resource;
  const { 'Fn::GetAtt': attribute, 'Fn::Join': join, Ref } = resource;
  if (attribute !== undefined) return `{${attribute.join('.')}}`;
  return Ref === undefined ? join[1].map(arn).join(join[0]) : `{${Ref}}`;
}

test('the bundles are all that is shipped, and small', async () => {
  const { zip } = await packaged();
  const names = zipNames(readFileSync(zip)).filter((name) => !name.startsWith('.esbuild/parts/'));
  const functions = readdirSync(join(REPOSITORY, 'functions')).filter((name) => name.endsWith('.ts'));
  const bundles = functions.map((name) => `.esbuild/${name.replace(/\.ts$/, '.js')}`);
  assert.equal(names.sort(), ['.esbuild/package.json', ...bundles].sort());
  const { size } = statSync(zip);
  assert.ok(size <= MAX_ZIP_BYTES, `${size} bytes`);
});

// Each function with how long it may take.
const FUNCTIONS: Readonly<Record<string, number>> = { Read: 29, Warm: 900, Sweep: 900, Agents: 5 };

test('each function runs Node 22 on arm64 behind its own URL, not behind an API that decodes paths', async () => {
  const { template } = await packaged();
  const names = Object.keys(FUNCTIONS);
  assert.is(ofType(template, 'AWS::Lambda::Function').length, names.length);
  for (const [name, seconds] of Object.entries(FUNCTIONS)) {
    const { Properties } = template.Resources[`${name}LambdaFunction`];
    assert.is(Properties.Runtime, 'nodejs22.x');
    assert.equal(Properties.Architectures, ['arm64']);
    assert.is(Properties.Timeout, seconds);
    assert.is(Properties.Handler, `.esbuild/${name.toLowerCase()}.handler`);
    assert.equal(Properties.Role, { 'Fn::GetAtt': [`${name}Role`, 'Arn'] });
    assert.equal(Properties.Environment.Variables.DADIP2P_S3__Bucket, { Ref: 'ChunkBucket' });
  }
  assert.is(ofType(template, 'AWS::ApiGatewayV2::Api').length, 0);
  assert.is(ofType(template, 'AWS::Lambda::Url').length, names.length);
  // Since October 2025 a public URL takes both.
  const callers = ofType(template, 'AWS::Lambda::Permission').map(({ Properties }) => Properties);
  assert.equal(
    callers.filter(({ Principal }) => Principal === '*').map(({ Action }) => Action),
    names.flatMap(() => ['lambda:InvokeFunctionUrl', 'lambda:InvokeFunction']),
  );
  const others = callers.filter(({ Principal }) => Principal !== '*');
  assert.equal(
    others.map(({ Principal, FunctionName }) => [Principal, FunctionName]),
    [['events.amazonaws.com', { 'Fn::GetAtt': ['SweepLambdaFunction', 'Arn'] }]],
  );
  assert.equal(template.Outputs.RootURL.Value, { 'Fn::GetAtt': ['ReadLambdaFunctionUrl', 'FunctionUrl'] });
});

test('who asks for the API at the URL of the root is sent to the function that serves it', async () => {
  const { template } = await packaged();
  const { Variables } = template.Resources.ReadLambdaFunction.Properties.Environment;
  assert.equal(Variables.API_WARM_URL, { 'Fn::GetAtt': ['WarmLambdaFunctionUrl', 'FunctionUrl'] });
  assert.equal(Variables.API_SWEEP_URL, { 'Fn::GetAtt': ['SweepLambdaFunctionUrl', 'FunctionUrl'] });
  assert.equal(Variables.API_AGENTS_URL, { 'Fn::GetAtt': ['AgentsLambdaFunctionUrl', 'FunctionUrl'] });
});

test('what nobody reads is swept several times a day, by the age and the quota of the deployment', async () => {
  const { template } = await parameterized();
  const [{ Properties: rule }, ...others] = ofType(template, 'AWS::Events::Rule');
  assert.is(others.length, 0);
  assert.equal([rule.ScheduleExpression, rule.State], ['rate(6 hours)', 'ENABLED']);
  assert.equal(rule.Targets[0].Arn, { 'Fn::GetAtt': ['SweepLambdaFunction', 'Arn'] });
  const { Variables } = template.Resources.SweepLambdaFunction.Properties.Environment;
  const { DADIP2P_Sweep__MaxAge: age, DADIP2P_Sweep__MaxBytes: bytes } = Variables;
  const sweepOf = (env: Readonly<Record<string, string>>) =>
    loadSettings({ text: undefined, file: 'environment', env }).Sweep;
  const { MaxAge, MaxBytes } = sweepOf({ DADIP2P_Sweep__MaxAge: age, DADIP2P_Sweep__MaxBytes: bytes });
  assert.equal([MaxAge, MaxBytes], [7 * 86_400_000, 500 * 2 ** 30]);
  assert.is(sweepOf({ DADIP2P_Sweep__MaxAge: age.replace('7', '0') }).MaxAge, 0, 'or by no age');
});

/** What a function may do, a statement a line. */
function allowedTo(template: Json, name: string): Json[] {
  const { ManagedPolicyArns, Policies } = template.Resources[`${name}Role`].Properties;
  assert.is(ManagedPolicyArns, undefined);
  return Policies.flatMap(({ PolicyDocument }: Json) => PolicyDocument.Statement).map(
    ({ Effect, Action, Resource }: Json) => [Effect, [Action].flat(), [Resource].flat().map(arn)],
  );
}

test('each function may do to its objects, bucket and log what it does, and nothing else', async () => {
  const { template } = await packaged();
  assert.is(ofType(template, 'AWS::IAM::Role').length, Object.keys(FUNCTIONS).length);
  const key = 'f'.repeat(64);
  const chunk = chunkPath({ key, chunkBytes: 1, index: 0 });
  const folder = (path: string) => `{ChunkBucket.Arn}/${path.split('/', 1)[0]}/*`;
  const objects = ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'];
  const chunks = ['Allow', objects, [folder(chunk), folder(leasePath(chunk))]];
  const bucket = ['Allow', ['s3:ListBucket'], ['{ChunkBucket.Arn}']];
  const log = (name: string) => [
    'Allow',
    ['logs:CreateLogStream', 'logs:PutLogEvents'],
    [`{${name}LogGroup.Arn}`],
  ];
  const usage = ['Allow', ['s3:PutObject'], [folder(USAGE_FOLDER)]];
  assert.equal(allowedTo(template, 'Read'), [chunks, usage, bucket, log('Read')]);
  assert.equal(allowedTo(template, 'Sweep'), [
    ['Allow', objects, [folder(chunk)]],
    ['Allow', ['s3:DeleteObject'], [folder(leasePath(chunk))]],
    ['Allow', ['s3:GetObject', 's3:PutObject'], [folder(STATE_PATH)]],
    ['Allow', ['s3:GetObject', 's3:PutObject'], [folder(USAGE_FOLDER)]],
    bucket,
    log('Sweep'),
  ]);
  assert.equal(allowedTo(template, 'Warm'), [
    chunks,
    usage,
    ['Allow', ['s3:GetObject', 's3:PutObject'], [folder(runPath('job'))]],
    bucket,
    [
      'Allow',
      ['lambda:InvokeFunction'],
      ['arn:{AWS::Partition}:lambda:{AWS::Region}:{AWS::AccountId}:function:dadip2p-shown-warm'],
    ],
    log('Warm'),
  ]);
  assert.equal(allowedTo(template, 'Agents'), [
    ['Allow', ['s3:PutObject', 's3:DeleteObject'], [folder(entriesFolder())]],
    usage,
    bucket,
    log('Agents'),
  ]);
  // Of the bucket's names it may see those alone that it makes.
  const { Statement } = template.Resources.AgentsRole.Properties.Policies[0].PolicyDocument;
  assert.equal(Statement[2].Condition, { StringLike: { 's3:prefix': `${entriesFolder()}*` } });
});

test('every bucket is encrypted, closed to the public, and reached over TLS alone', async () => {
  const { template } = await packaged();
  const buckets = ofType(template, 'AWS::S3::Bucket');
  assert.is(buckets.length, 2);
  for (const { Properties } of buckets) {
    const [rule] = Properties.BucketEncryption.ServerSideEncryptionConfiguration;
    assert.is(rule.ServerSideEncryptionByDefault.SSEAlgorithm, 'AES256');
    assert.equal(Properties.PublicAccessBlockConfiguration, {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    });
  }
  const policies = ofType(template, 'AWS::S3::BucketPolicy').map(({ Properties }) => Properties);
  assert.equal(
    policies.map(({ Bucket }) => Bucket.Ref),
    ['ServerlessDeploymentBucket', 'ChunkBucket'],
  );
  for (const { PolicyDocument } of policies) {
    const [{ Effect, Principal, Action, Resource, Condition }] = PolicyDocument.Statement;
    assert.equal([Effect, Principal, Action], ['Deny', '*', 's3:*']);
    assert.is(Resource.length, 2);
    assert.is(String(Condition.Bool['aws:SecureTransport']), 'false');
  }
});

test('nothing is kept for ever that nobody gives back: uploads, leases, chunks, logs', async () => {
  const { template } = await packaged();
  const [uploads, leases, jobs, agents, usage, ...others] =
    template.Resources.ChunkBucket.Properties.LifecycleConfiguration.Rules;
  assert.equal(uploads.AbortIncompleteMultipartUpload, { DaysAfterInitiation: 1 });
  assert.equal([leases.Prefix, leases.ExpirationInDays, leases.Status], ['lease/', 1, 'Enabled']);
  assert.equal([agents.Prefix, agents.ExpirationInDays, agents.Status], [entriesFolder(), 1, 'Enabled']);
  assert.equal([jobs.Prefix, jobs.ExpirationInDays, jobs.Status], ['warm/', 7, 'Enabled']);
  assert.equal([usage.Prefix, usage.ExpirationInDays, usage.Status], [USAGE_FOLDER, 400, 'Enabled']);
  // Chunks are for the sweep to remove, which knows what is in use.
  assert.equal(others, []);
  for (const { Properties } of ofType(template, 'AWS::Logs::LogGroup')) {
    assert.is(Properties.RetentionInDays, 14);
  }
});

test('errors and throttling raise an alarm, and parameters say who is told, and bound the instances', async () => {
  const { template } = await parameterized();
  const alarms = ofType(template, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties);
  assert.equal(
    alarms.map(({ MetricName }) => MetricName),
    ['Errors', 'Throttles'],
  );
  for (const { AlarmActions, Dimensions } of alarms) {
    assert.equal(AlarmActions['Fn::If'].slice(0, 2), ['HasEmail', [{ Ref: 'AlarmTopic' }]]);
    assert.equal(Dimensions, [{ Name: 'FunctionName', Value: { Ref: 'ReadLambdaFunction' } }]);
  }
  const { AlarmTopic, ReadLambdaFunction } = template.Resources;
  assert.is(AlarmTopic.Properties.Subscription[0].Endpoint, 'a@example.com');
  const [condition, concurrency] = ReadLambdaFunction.Properties.ReservedConcurrentExecutions['Fn::If'];
  assert.equal([condition, Number(concurrency)], ['IsBounded', 20]);
  // What Fn::Equals compares has to be text.
  const compared = (name: string) => template.Conditions[name]['Fn::Not'][0]['Fn::Equals'];
  assert.equal(compared('IsBounded'), ['=20', '=0']);
  assert.equal(compared('HasEmail'), ['a@example.com', '']);
});

test('a root that the Internet reaches is not deployed under the key that everybody knows', async () => {
  await using dir = await tempDir();
  const deploy = (more: Readonly<Record<string, string>>) =>
    serverless(['deploy', '--package', dir.path], dir.path, more).then(
      () => 'deployed',
      ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
    );
  const refusal = /anyone could use this root: set DADIP2P_P2PConfig__APIKey/;
  assert.match(await deploy({}), refusal);
  // With a key it goes on, to a folder where nothing was packaged.
  const further = await deploy({ DADIP2P_P2PConfig__APIKey: 'hard-to-guess' });
  assert.not.match(further, refusal);
  assert.match(further, /No serverless-state\.json file found/);
});

test.run();
