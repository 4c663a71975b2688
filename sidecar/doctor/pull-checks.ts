import { P2PError } from '../../functions/protocol/errors.ts';
import type { HttpClient } from '../../functions/service/http-client.ts';
import type { ImageName } from '../../functions/service/image-name.ts';
import { readText } from '../../functions/service/read-text.ts';
import type { Wiring } from '../setup/wiring.ts';
import { type Check, type Finding, failed, ok, skipped } from './check.ts';
import { PROXY_PORT } from './node-checks.ts';

const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');
// A manifest is refused beyond this by registries themselves.
const MOST_BYTES = 4 * 1024 * 1024;

/** What a reading of the registry gave. */
interface Read {
  readonly status: number;
  readonly text: string;
}

/** That an image can be read through the mirror: the registry's ping, and of one image its manifest and a byte. */
export function pullChecks(wiring: Wiring, image: ImageName | undefined, http: HttpClient): Check[] {
  const namespace = image === undefined ? undefined : image.registry;
  const read = (path: string, headers: Record<string, string>, signal: AbortSignal) => {
    const query = namespace === undefined ? '' : `?ns=${encodeURIComponent(namespace)}`;
    return readUrl(http, `${wiring.agent}${path}${query}`, headers, signal);
  };
  const registry = namespace ?? wiring.defaultRegistry.name;
  return [
    {
      name: 'registry through the mirror',
      needs: [PROXY_PORT],
      async run(signal) {
        const answer = await read('/v2/', {}, signal);
        if (typeof answer === 'string') return failed(answer, 'look at the log of the agent');
        // A registry that wants a token says so here, to everyone.
        if (answer.status === 200 || answer.status === 401) return ok(`${registry} answers`);
        return failed(
          `${registry} gives ${answer.status} through ${wiring.agent}/v2/: ${firstLine(answer.text)}`,
          remedyFor(answer.status),
        );
      },
    },
    {
      name: 'image through the mirror',
      needs: ['registry through the mirror'],
      async run(signal) {
        if (image === undefined) return skipped('no --image is given');
        return readImage(image, read, signal);
      },
    },
  ];
}

type Reader = (path: string, headers: Record<string, string>, signal: AbortSignal) => Promise<Read | string>;

async function readImage(image: ImageName, read: Reader, signal: AbortSignal): Promise<Finding> {
  const base = `/v2/${image.repository}`;
  let reference = image.reference;
  // An index names manifests, and a manifest the blobs.
  for (let depth = 0; depth < 2; depth += 1) {
    const manifest = await read(`${base}/manifests/${reference}`, { accept: MANIFESTS }, signal);
    if (typeof manifest === 'string') return failed(manifest, 'look at the log of the agent');
    if (manifest.status === 401 || manifest.status === 403) {
      return skipped(`the registry wants credentials (${manifest.status}): name a public image by --image`);
    }
    if (manifest.status !== 200) {
      return failed(
        `the manifest ${reference} gives ${manifest.status}: ${firstLine(manifest.text)}`,
        remedyFor(manifest.status),
      );
    }
    const { config, manifests } = JSON.parse(manifest.text) as Manifest;
    const digest = config?.digest;
    if (digest !== undefined) return readByte(`${base}/blobs/${digest}`, read, signal);
    reference = manifests?.[0]?.digest ?? '';
  }
  return failed('the manifest names no blobs', 'name an ordinary image by --image');
}

interface Manifest {
  readonly config?: { readonly digest: string };
  readonly manifests?: readonly { readonly digest: string }[];
}

async function readByte(path: string, read: Reader, signal: AbortSignal): Promise<Finding> {
  const blob = await read(path, { range: 'bytes=0-0' }, signal);
  if (typeof blob === 'string') return failed(blob, 'look at the log of the agent');
  if (blob.status === 206 && blob.text.length === 1) return ok('its manifest, and a byte of a blob');
  return failed(`the blob gives ${blob.status}: ${firstLine(blob.text)}`, remedyFor(blob.status));
}

async function readUrl(
  http: HttpClient,
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Read | string> {
  try {
    const { status, body } = await http.request({ url, method: 'GET', headers }, signal);
    return { status, text: await readText(body, MOST_BYTES, url) };
  } catch (error) {
    if (error instanceof P2PError) return error.message;
    throw error;
  }
}

const firstLine = (text: string): string => text.trim().split('\n')[0]?.slice(0, 200) ?? '';

function remedyFor(status: number): string {
  if (status === 403) return 'list the registry in Origins of the agent and of its roots';
  if (status === 404) return 'correct the name of the image, or Mirror.Registries';
  if (status >= 500) return 'the agent cannot reach the registry: check its network and DNS, and the roots';
  return 'look at the log of the agent';
}
