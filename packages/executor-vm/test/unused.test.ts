import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { markUsed, removeUnused } from '../src/unused.js';

const day = 24 * 60 * 60;

it('what nobody has used for a month goes, and what was used stays', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ritmo-unused-'));
  try {
    const now = Date.now() / 1_000;
    for (const [name, days] of [
      ['old', 40],
      ['used', 40],
      ['young', 20],
    ] as const) {
      mkdirSync(join(folder, name, 'inner'), { recursive: true });
      utimesSync(join(folder, name), now - days * day, now - days * day);
    }
    markUsed(join(folder, 'used'));
    markUsed(join(folder, 'nowhere'));
    removeUnused(folder, now * 1_000);
    expect(readdirSync(folder).toSorted()).toEqual(['used', 'young']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
