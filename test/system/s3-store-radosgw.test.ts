import { openS3, settingsOn } from '../support/opened-s3.ts';
import { need } from '../support/programs.ts';
import { startRadosgw } from '../support/radosgw.ts';
import { shared } from '../support/shared.ts';
import { storeContract } from '../support/store-contract.ts';

const NAME = 'system/s3-store-radosgw';
const open = async () => openS3(settingsOn(await radosgw()));

// The suite of functions/root/s3-store.test.ts on a server that nobody has who wrote MinIO.
const test = storeContract(NAME, open, { durable: true, spoilable: true });
// It takes seconds to start, so all tests share one; a store makes its bucket.
const radosgw = shared(test, () => startRadosgw({ bucket: 'dadip2p-test', region: 'us-east-1' }));

need(test, NAME, 'radosgw').run();
