import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Settings } from '../../functions/service/config/settings.ts';
import type { Member } from '../../sidecar/members/member.ts';
import { get } from '../support/client.ts';
import { startDns } from '../support/dns.ts';
import { startMinio } from '../support/minio.ts';
import { type Configured, type NodeProcess, startNode } from '../support/node-process.ts';
import { startAgent, startRoot } from '../support/pair.ts';
import { need } from '../support/programs.ts';
import type { S3Server } from '../support/s3-server.ts';
import { NEW_SECRET } from '../support/secrets.ts';
import { until } from '../support/until.ts';

const NAME = 'system/members';
const test = suite(NAME);

const ORIGINS = { origins: ['http://127.0.0.1:1'] };

async function membersOf(agent: NodeProcess): Promise<{ self: Member; members: Member[] }> {
  const { text } = await get(`http://127.0.0.1:${agent.adminPort}/api/v1/members`);
  return JSON.parse(text);
}

const urlsOf = async (agent: NodeProcess) => (await membersOf(agent)).members.map(({ url }) => url).sort();

/** Waits until an agent knows these, and no others. */
const knows = (agent: NodeProcess, ...others: NodeProcess[]) => {
  const wanted = others.map(({ url }) => url).sort();
  return until(`${agent.url} to know ${wanted.join(' and ')}`, async () => {
    const urls = await urlsOf(agent);
    return urls.length === wanted.length && urls.every((url, at) => url === wanted[at]);
  });
};

const agentSettings = (more: Configured<Settings['P2PConfig']> = {}): Configured<Settings> => ({
  Secret: [NEW_SECRET],
  P2PConfig: { NodeIP: '127.0.0.1', ...more },
});

/** Three agents of a root, one after the other. */
async function meet(root: NodeProcess): Promise<void> {
  const agent = agentSettings({ Zone: 'rack-1' });
  const start = () => startAgent({ ...ORIGINS, agent }, [root.url]);
  await using first = await start();
  await using second = await start();
  await knows(first, first, second);
  const third = await start();
  try {
    await Promise.all([first, second, third].map((one) => knows(one, first, second, third)));
    const views = await Promise.all(
      [first, second, third].map(async (one) => (await membersOf(one)).members),
    );
    assert.equal(views[1], views[0], 'they call each other the same');
    assert.equal(views[2], views[0]);
    assert.equal(await third.stop(), 0);
    await Promise.all([first, second].map((one) => knows(one, first, second)));
    // It comes back at another port, and is the same one.
    await using again = await startNode({ settings: third.settings });
    await knows(first, first, second, again);
    const idOf = (members: readonly Member[] = [], url: string) => members.find((one) => one.url === url)?.id;
    assert.is((await membersOf(again)).self.id, idOf(views[0], third.url));
  } finally {
    await third[Symbol.asyncDispose]();
  }
}

test('agents find each other by a root over a folder in seconds, know at once who goes, and whoever comes back', async () => {
  await using root = await startRoot({ ...ORIGINS, root: { Secret: [NEW_SECRET] } });
  await meet(root);
});

need(
  test,
  NAME,
  'minio',
)('and by another root over the same bucket', async () => {
  await using s3 = await startMinio();
  const root = { Secret: [NEW_SECRET], S3: s3Settings(s3) };
  await using one = await startRoot({ ...ORIGINS, root });
  await using other = await startRoot({ ...ORIGINS, root });
  await using first = await startAgent({ ...ORIGINS, agent: agentSettings() }, [one.url]);
  await using second = await startAgent({ ...ORIGINS, agent: agentSettings() }, [other.url]);
  await Promise.all([first, second].map((agent) => knows(agent, first, second)));
});

test('without a Secret an agent is alone, and says why', async () => {
  await using root = await startRoot(ORIGINS);
  await using agent = await startAgent(ORIGINS, [root.url]);
  assert.is((await membersOf(agent)).members.length, 1);
  assert.match(String(agent.logs('siblings_unsought')[0]?.remedy), 'Secret');
});

test('agents find each other by SRV records of a DNS server of their own', async () => {
  await using dns = await startDns();
  dns.addresses['host.test'] = ['127.0.0.1'];
  const agent = agentSettings({ Siblings: ['dnssrv+_p2p._tcp.test'], DNSServer: dns.address });
  const start = () => startAgent({ ...ORIGINS, agent }, []);
  await using first = await start();
  await using second = await start();
  dns.services['_p2p._tcp.test'] = [first, second].map(({ p2pPort }) => ({
    host: 'host.test',
    port: p2pPort,
  }));
  await Promise.all([first, second].map((agent) => knows(agent, first, second)));
  assert.is((await membersOf(first)).self.id, first.url, 'each is called by its address, by itself too');
});

const s3Settings = ({ endpoint, bucket, region, accessKeyId, secretAccessKey }: S3Server) => ({
  Endpoint: endpoint,
  Bucket: bucket,
  Region: region,
  AccessKeyId: accessKeyId,
  SecretAccessKey: secretAccessKey,
});

test.run();
