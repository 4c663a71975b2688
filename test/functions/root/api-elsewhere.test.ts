import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { apiElsewhere } from '../../../functions/root/api-elsewhere.ts';
import { createApiApp } from '../../../functions/service/api-app.ts';
import { listen, memoryLog } from '../../support/app.ts';
import { get } from '../../support/client.ts';

const test = suite('functions/root/api-elsewhere');

const ENV = {
  API_WARM_URL: 'https://warm.lambda-url.test/',
  API_SWEEP_URL: 'https://sweep.lambda-url.test/',
  API_AGENTS_URL: '',
};

const serve = () => listen(createApiApp(apiElsewhere(ENV), memoryLog().log).callback());

test('sends each section on to the function that serves it, with path, query, method and body', async () => {
  await using node = await serve();
  for (const [target, host] of [
    ['/api/v1/warm', 'warm'],
    ['/api/v1/warm/some-id?since=3%2F4', 'warm'],
    ['/api/v1/purge', 'sweep'],
    ['/api/v1/sweep', 'sweep'],
    ['/api/v1/cost?days=7', 'sweep'],
  ] as const) {
    for (const method of ['GET', 'POST']) {
      const answer = await get(node.url, { target, method });
      // 307 alone has POST repeated as POST.
      assert.is(answer.status, 307, target);
      assert.is(answer.headers.location, `https://${host}.lambda-url.test${target}`);
    }
  }
});

test('sends nobody to a place that a request has named, nor where there is no function', async () => {
  await using node = await serve();
  for (const target of [
    '/api/v1/agents',
    '/api/v1/evil.test',
    '/api/v1/constructor',
    '/api/v1//evil.test/warm',
  ]) {
    const answer = await get(node.url, { target });
    assert.is(answer.status, 404, target);
    assert.is(answer.headers.location, undefined);
  }
});

test.run();
