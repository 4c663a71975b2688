import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AccessRequest } from '../../../functions/blob/access/access.ts';
import { parseAddress } from '../../../functions/protocol/address.ts';
import type { Grant } from '../../../functions/protocol/grant.ts';
import { noteRight } from '../../../sidecar/entry/note-right.ts';
import { listen } from '../../support/app.ts';
import { get } from '../../support/client.ts';
import { eachCase } from '../../support/each-case.ts';

const test = suite('sidecar/entry/note-right');

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const TAG = 'https://r.test/v2/app/manifests/v1';

interface Passed {
  readonly url?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly status?: number;
  readonly type?: string;
}

/** What is noted of a request that real HTTP has carried, and of such a reply. */
async function notedOf({ url = TAG, method = 'HEAD', headers = {}, status = 200, type = MANIFEST }: Passed) {
  const noted: [AccessRequest, Grant | undefined][] = [];
  const access = {
    accept(asked: AccessRequest, said?: Grant) {
      noted.push([asked, said]);
      return { untilMs: 0, publicBy: undefined };
    },
  };
  await using server = await listen((request, response) => {
    const reply = { statusCode: status, headers: { 'content-type': type } };
    noteRight(access, parseAddress(url), request, reply as never);
    response.end();
  });
  await get(server.url, { method, headers });
  return noted;
}

test('a manifest given to a credential shows its right to the repository, and nothing of everyone', async () => {
  for (const method of ['GET', 'HEAD']) {
    const noted = await notedOf({ method, headers: { authorization: 'Bearer a' } });
    assert.equal(noted, [
      [
        { right: 'https://r.test/v2/app', identity: TAG, credential: 'Bearer a' },
        // Said so: else a token that claims to name nobody would open the repository to all.
        { untilMs: Number.POSITIVE_INFINITY, publicBy: undefined },
      ],
    ]);
  }
});

test('nothing else shows a right', async () => {
  const authorization = 'Bearer a';
  const cases: Readonly<Record<string, Passed>> = {
    'no credential, for another header may be one': {},
    'an empty one': { headers: { authorization: '' } },
    'two, of which the origin may have taken the other': {
      headers: { authorization: [authorization, 'Bearer b'] },
    },
    'a cookie beside it': { headers: { authorization, cookie: 'session=1' } },
    'a refusal': { headers: { authorization }, status: 401 },
    'a redirect': { headers: { authorization }, status: 307 },
    'a page in place of a manifest': { headers: { authorization }, type: 'text/html' },
    'what is no repository': { headers: { authorization }, url: 'https://r.test/v2/' },
    'a write': { headers: { authorization }, method: 'PUT' },
  };
  await eachCase(cases, async (passed) => assert.equal(await notedOf(passed), []));
});

test.run();
