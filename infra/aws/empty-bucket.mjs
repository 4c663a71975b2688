import { CloudFormationClient, DescribeStackResourceCommand } from '@aws-sdk/client-cloudformation';
import { DeleteObjectsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';

/** `serverless remove` empties the bucket of chunks first: CloudFormation removes no other. */
export default class EmptyBucket {
  hooks = { 'before:remove:remove': () => this.#empty() };
  #serverless;

  constructor(serverless) {
    this.#serverless = serverless;
  }

  async #empty() {
    const provider = this.#serverless.getProvider('aws');
    const config = await provider.getAwsSdkV3Config();
    const Bucket = await bucketOf(new CloudFormationClient(config), provider.naming.getStackName());
    if (Bucket === undefined) return;
    const s3 = new S3Client(config);
    // What is listed is gone before the next list.
    for (;;) {
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }));
      if (Contents.length === 0) return;
      const Objects = Contents.map(({ Key }) => ({ Key }));
      const { Errors = [] } = await s3.send(
        new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }),
      );
      if (Errors.length > 0)
        throw new Error(`cannot empty ${Bucket}: ${Errors[0].Code} ${Errors[0].Message}`);
    }
  }
}

/** The bucket of a stack; `undefined` when there is no such stack, or it has none. */
async function bucketOf(cloudFormation, StackName) {
  const command = new DescribeStackResourceCommand({ StackName, LogicalResourceId: 'ChunkBucket' });
  try {
    const { StackResourceDetail } = await cloudFormation.send(command);
    const isThere = StackResourceDetail?.ResourceStatus !== 'DELETE_COMPLETE';
    return isThere ? StackResourceDetail?.PhysicalResourceId : undefined;
  } catch (error) {
    if (error.name === 'ValidationError' && /does not exist/.test(error.message)) return undefined;
    throw error;
  }
}
