import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { findProgramPart, howItEndedPart } from '../../src/process/shell-parts.js';

const folder = mkdtempSync(join(tmpdir(), 'ritmo-shell-'));
afterAll(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'a folder'));
mkdirSync(join(folder, 'a folder', 'sub'));
writeFileSync(join(folder, 'plain'), '');
for (const name of ['tool', '*']) {
  writeFileSync(join(folder, 'a folder', name), '');
  chmodSync(join(folder, 'a folder', name), 0o755);
}

const sh = (script: string, ...args: string[]) =>
  execFileSync('/bin/sh', ['-c', script, 'sh', ...args], {
    encoding: 'utf8',
    env: { PATH: `${folder}:${folder}/a folder` },
  });

test.each([
  ['tool', `${folder}/a folder/tool`],
  ['*', `${folder}/a folder/*`],
  [`${folder}/a folder/tool`, `${folder}/a folder/tool`],
  ['plain', ''],
  [`${folder}/plain`, ''],
  ['sub', ''],
  ['missing', ''],
  ['', ''],
])('the program %j is found as %j', (name, found) => {
  // Words are told apart as before.
  const script = `${findProgramPart}\nwords='a b'; set -- $words; printf '%s|%s' "$_ritmo_found" $#`;
  expect(sh(script, name)).toBe(`${found}|2`);
});

test.each([
  ['\ncode 0', '0 silent'],
  ['\ncode 137', '137 silent'],
  ['Killed\ncode 137', '137 said'],
  ['said code 3\ncode 4', '4 said'],
  ['', 'lost said'],
])('what a shell says as %j ended as %j', (said, ended) => {
  expect(sh(`_ritmo_said=$1\n${howItEndedPart}\nprintf '%s %s' "$_ritmo_code" "$_ritmo_how"`, said)).toBe(ended);
});
