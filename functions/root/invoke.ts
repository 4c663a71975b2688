import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { P2PError } from '../protocol/errors.ts';

/**
 * Has a function of this account called with events. Each is taken up once or more, some time after its promise
 * resolves (Lambda developer guide, "Asynchronous invocation").
 */
export function createInvoke(functionName: string): (event: object) => Promise<void> {
  const client = new LambdaClient({});
  return async function invoke(event) {
    const command = new InvokeCommand({
      FunctionName: functionName,
      InvocationType: 'Event',
      Payload: Buffer.from(JSON.stringify(event)),
    });
    await client.send(command).catch((cause: unknown) => {
      throw new P2PError(
        'UPSTREAM_FAILED',
        `cannot have ${functionName} called: ${(cause as Error).message}`,
        {
          cause,
        },
      );
    });
  };
}
