// What the Lambda runtime is to a function: loads it, hands it one event at a time, and sends back what it returns.
import process from 'node:process';

const { handler } = await import(process.argv[2]);

process.on('disconnect', () => process.exit());
process.on('message', async ({ event, context, deadlineMs }) => {
  const getRemainingTimeInMillis = () => deadlineMs - Date.now();
  try {
    const result = await handler(event, { ...context, getRemainingTimeInMillis });
    process.send({ returned: JSON.stringify(result) ?? 'null' });
  } catch (error) {
    // As the platform does: what a function throws is in its log.
    console.error(error);
    process.send({ threw: true });
  }
});
process.send({ ready: true });
