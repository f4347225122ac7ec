import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { caseOf } from '../case.js';

const identity = caseOf('identity');

export const identityCases = [
  identity('name', 'has a name that a job can write under `isolation:`', async ({ executor }) => {
    assert.match(executor.name, /^[A-Za-z0-9@]([A-Za-z0-9._/@-]{0,126}[A-Za-z0-9])?$/);
  }),

  identity('capabilities', 'declares capabilities that hold together', async ({ executor: { capabilities } }) => {
    const known = {
      network: ['host', 'isolated', 'none'],
      limits: ['cpu', 'memory', 'pids', 'disk'],
      os: ['linux', 'windows', 'darwin'],
      arch: ['x64', 'arm64'],
    };
    for (const key of ['network', 'limits', 'os', 'arch'] as const) {
      const declared: readonly string[] = capabilities[key];
      assert.equal(new Set(declared).size, declared.length, `${key} names something twice: ${declared.join(', ')}`);
      const strange = declared.filter((value) => !known[key].includes(value));
      assert.deepEqual(strange, [], `${key} names what the contract does not know`);
    }
    assert.ok(capabilities.network.includes(capabilities.defaultNetwork), 'the default network must be declared');
    assert.ok(capabilities.os.length > 0 && capabilities.arch.length > 0, 'os and arch must not be empty');
    assert.ok(['none', 'namespace', 'container', 'vm'].includes(capabilities.isolation));
    for (const key of ['images', 'services', 'separateStderr', 'recover'] as const) {
      assert.equal(typeof capabilities[key], 'boolean', `${key} must be true or false`);
    }
  }),

  identity('recover-method', 'has `recover` exactly when it declares it', async ({ executor }) => {
    assert.equal(typeof executor.recover, executor.capabilities.recover ? 'function' : 'undefined');
  }),

  identity('record', 'hands over records that survive JSON and name their sandbox', async (context) => {
    const { records, request } = await context.sandbox();
    assert.ok(records.length > 0, 'no record was handed over by allocate and prepare');
    for (const record of records) {
      assert.deepEqual(JSON.parse(JSON.stringify(record)), record, 'a record changes when it is written as JSON');
      assert.equal(record.sandboxId, request.sandboxId);
      assert.equal(record.executor, context.executor.name);
      assert.ok(Number.isInteger(record.stateVersion), 'stateVersion must be a whole number');
      const nested = Object.values(record.state).filter((value) => typeof value === 'object' && value !== null);
      assert.deepEqual(nested, [], 'the state of a record must be flat');
    }
  }),

  identity('sandbox', 'gives a sandbox whose id, paths and description fit the request', async (context) => {
    const { sandbox, volume, request } = await context.sandbox();
    assert.equal(sandbox.id, request.sandboxId);
    assert.equal(sandbox.workdir, volume.workdir, 'volume and sandbox must agree on workdir');
    assert.ok(posix.isAbsolute(sandbox.workdir) && posix.isAbsolute(sandbox.privateDir), 'paths must be absolute');
    const inside = posix.relative(sandbox.workdir, sandbox.privateDir);
    assert.ok(inside.startsWith('..'), 'privateDir must not lie in the workspace');
    assert.match(sandbox.description, /^\S[^\n\r]*$/, 'the description must be one line');
  }),
];
