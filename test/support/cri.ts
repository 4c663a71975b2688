import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const PROTO = fileURLToPath(new URL('cri.proto', import.meta.url));
const CALL_MS = 60_000;

/** A user of a registry, as a kubelet takes it from a pull secret. */
export interface PullSecret {
  readonly username: string;
  readonly password: string;
}

/** A client of a container runtime as a kubelet is one, for images alone. */
export interface Cri extends Disposable {
  /** Gives the image's ID, the digest of its configuration. */
  pull(image: string, auth?: PullSecret): Promise<string>;
  remove(image: string): Promise<void>;
}

type Method = (
  request: object,
  options: { deadline: number },
  done: (error: Error | null, reply: { imageRef: string }) => void,
) => void;

/** A client over a runtime's unix socket; connects with its first call. */
export function openCri(socket: string): Cri {
  const { runtime } = loadPackageDefinition(loadSync(PROTO)) as unknown as {
    runtime: { v1: { ImageService: ServiceClientConstructor } };
  };
  const client = new runtime.v1.ImageService(`unix://${socket}`, credentials.createInsecure());
  const call = (name: 'PullImage' | 'RemoveImage', request: object): Promise<{ imageRef: string }> =>
    new Promise((resolve, reject) => {
      const method = client[name] as unknown as Method;
      method.call(client, request, { deadline: Date.now() + CALL_MS }, (error, reply) =>
        error === null ? resolve(reply) : reject(error),
      );
    });
  return {
    pull: async (image, auth) => (await call('PullImage', { image: { image }, auth })).imageRef,
    async remove(image) {
      await call('RemoveImage', { image: { image } });
    },
    [Symbol.dispose]: () => client.close(),
  };
}
