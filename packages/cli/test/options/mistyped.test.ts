import { expect, it } from 'vitest';
import { mistypedVariables } from '../../src/options/mistyped.js';

it.each([
  ['RITMO_MAX_CONCURENT', 'RITMO_MAX_CONCURRENT'],
  ['RITMO_LABEL', 'RITMO_LABELS'],
  ['RITMO_APISERVER', 'RITMO_API_SERVER'],
])('%s is told from %s', (variable, meant) => {
  expect(mistypedVariables({ [variable]: '1', PATH: '/bin' })).toEqual([{ variable, meant }]);
});

it('says nothing of settings, of what a build is given and of what others call by our name', () => {
  const names = [
    'JOB_ID',
    'JOB_NAME',
    'ATTEMPT',
    'STEP',
    'WORKER',
    'WORKSPACE',
    'SANDBOX',
    'TOOL_DIR',
    'TEST_VM_CACHE',
  ];
  const others = Object.fromEntries(names.map((name) => [`RITMO_${name}`, 'x']));
  expect(mistypedVariables({ ...others, RITMO_NAME: 'a', RITMO_STATE_DIR: '/a' })).toEqual([]);
});
