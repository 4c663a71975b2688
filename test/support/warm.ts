import { isUnderWay, type Progress } from '../../functions/root/warm/progress.ts';
import { get } from './client.ts';
import { until } from './until.ts';

/** What opens the API of a root that was started with it in Admin.Tokens. */
export const TOKEN = 'Zk3vQ8sLw1xPb7Rt0NdYc5HgJm2UfEa9';

/** What a root is asked to warm. */
export type Body = Readonly<Record<string, unknown>>;

const HEADERS = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };

/** Asks a root to warm something. */
export const startWarm = (root: { readonly url: string }, body: Body) =>
  get(`${root.url}/api/v1/warm`, { method: 'POST', headers: HEADERS, body: JSON.stringify(body) });

/** How far a job is. */
export async function progressOf(root: { readonly url: string }, id: string): Promise<Progress> {
  const answer = await get(`${root.url}/api/v1/warm/${id}`, { headers: HEADERS });
  if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
  return JSON.parse(answer.text);
}

/** Warms something to the end; throws what the root refuses it with. */
export async function warm(root: { readonly url: string }, body: Body): Promise<Progress> {
  const begun = await startWarm(root, body);
  if (begun.status !== 202) throw new Error(`${begun.status}: ${begun.text}`);
  const { id } = JSON.parse(begun.text) as Progress;
  return ended(root, id);
}

/** How far a job has come when nobody works on it any more. */
export const ended = (root: { readonly url: string }, id: string): Promise<Progress> =>
  until('the job to end', async () => {
    const progress = await progressOf(root, id);
    return isUnderWay(progress) ? undefined : progress;
  });
