import type { IncomingMessage, ServerResponse } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blobOf, sha256 } from '../support/blob-of.ts';
import { download } from '../support/client.ts';
import { startOrigin } from '../support/origin.ts';
import { startPair, through } from '../support/pair.ts';

const test = suite('system/cut-through');

const CHUNK = 1024 * 1024;
const SHOWN = 100_000;

/**
 * Answers ranged requests for a blob; of the chunk that begins at `heldFrom` only the first bytes until the
 * gate opens.
 */
function slowly(blob: Buffer, heldFrom: number, gate: Promise<void>) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const start = Number(first);
    const end = Math.min(blob.length, Number(last) + 1);
    response.writeHead(206, {
      'content-length': end - start,
      'content-range': `bytes ${start}-${end - 1}/${blob.length}`,
      etag: '"slow"',
    });
    if (start !== heldFrom) return void response.end(blob.subarray(start, end));
    response.write(blob.subarray(start, start + SHOWN));
    await gate;
    response.end(blob.subarray(start + SHOWN, end));
  };
}

// Without cut-through nobody opens the gate, and the transfer ends by the nodes' own time limits.
test('the first byte reaches the client while the origin still holds the rest of the chunk back', async () => {
  const blob = blobOf(3 * CHUNK, 'cut-through');
  await using origin = await startOrigin();
  await using pair = await startPair({ origins: [origin.url], chunkSize: '1MiB' });
  const names = { 'one chunk': blob.subarray(0, CHUNK), 'several chunks': blob };
  for (const [name, bytes] of Object.entries(names)) {
    for (const path of [`/v2/slow/blobs/sha256:${sha256(bytes)}`, `/plain/${bytes.length}`]) {
      let open = () => {};
      const gate = new Promise<void>((resolve) => {
        open = resolve;
      });
      const url = origin.route(path, slowly(bytes, 0, gate));
      let early = 0;
      let opened = false;
      const answer = await download(through(pair.agent, url), {
        onPiece(piece) {
          if (opened) return;
          early += piece.length;
          opened = true;
          open();
        },
      });
      assert.ok(early > 0 && early <= SHOWN, `${name} ${path}: ${early} bytes came before the gate was open`);
      assert.is(answer.complete, true, `${name} ${path}`);
      assert.is(answer.digest, sha256(bytes), `${name} ${path}`);
    }
  }
});

test('all that the origin has sent of a chunk in the middle reaches every client that waits for it', async () => {
  const blob = blobOf(3 * CHUNK, 'cut-through in the middle');
  await using origin = await startOrigin();
  await using pair = await startPair({ origins: [origin.url], chunkSize: '1MiB' });
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const url = origin.route(`/v2/slow/blobs/sha256:${sha256(blob)}`, slowly(blob, CHUNK, gate));
  let waiting = 3;
  const read = async () => {
    let size = 0;
    let counted = false;
    return download(through(pair.agent, url), {
      onPiece(piece) {
        size += piece.length;
        if (counted || size < CHUNK + SHOWN) return;
        counted = true;
        waiting -= 1;
        if (waiting === 0) open();
      },
    });
  };
  const answers = await Promise.all([read(), read(), read()]);
  for (const answer of answers) assert.is(answer.digest, sha256(blob));
  assert.is(waiting, 0, 'each had all of it before the gate was open');
});

test.run();
