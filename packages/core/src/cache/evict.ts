import { readdir, readFile, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const facts = z.object({
  version: z.literal(1),
  key: z.string(),
  archive: z.string().regex(/^[0-9a-f-]{36}\.tar\.gz$/),
  size: z.int(),
  sha256: z.string(),
  savedAtMs: z.number(),
});

export interface KeptCache extends z.output<typeof facts> {
  readonly factsPath: string;
  readonly archivePath: string;
  readonly usedAtMs: number;
}

export interface EvictionLimits {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly minFreeBytes: number;
}

/** An archive without its facts is being written, or its writer died: so long it is left alone. */
const writingMs = 60 * 60_000;

/** The caches of one scope; what cannot be read is not there. */
export async function keptCaches(folder: string): Promise<KeptCache[]> {
  const found: KeptCache[] = [];
  for (const name of await namesIn(folder)) {
    if (!name.endsWith('.json')) continue;
    const factsPath = join(folder, name);
    const [text, about] = await Promise.all([readFile(factsPath, 'utf8'), stat(factsPath)]).catch(() => [
      '',
      undefined,
    ]);
    const parsed = facts.safeParse(parse(text as string));
    if (!parsed.success || about === undefined || typeof about === 'string') continue;
    const archivePath = join(folder, parsed.data.archive);
    found.push({ ...parsed.data, factsPath, archivePath, usedAtMs: about.mtimeMs });
  }
  return found;
}

/**
 * Removes what was not used for too long, then what was used the longest ago, until the rest is within its size and
 * the disk has the room that it must have. What died while it was written goes too.
 */
export async function evict(dir: string, limits: EvictionLimits, nowMs: number): Promise<void> {
  const kept: KeptCache[] = [];
  for (const scope of await namesIn(dir)) {
    const folder = join(dir, scope);
    const here = await keptCaches(folder);
    kept.push(...here);
    await removeTorn(folder, new Set(here.map(({ archive }) => archive)), nowMs);
  }
  const byUse = kept.toSorted((a, b) => a.usedAtMs - b.usedAtMs);
  let bytes = byUse.reduce((sum, { size }) => sum + size, 0);
  for (const cache of byUse) {
    const old = nowMs - cache.usedAtMs > limits.maxAgeMs;
    if (!old && bytes <= limits.maxBytes && (await freeBytes(dir)) >= limits.minFreeBytes) continue;
    bytes -= cache.size;
    await rm(cache.factsPath, { force: true });
    await rm(cache.archivePath, { force: true });
  }
}

async function removeTorn(folder: string, known: ReadonlySet<string>, nowMs: number): Promise<void> {
  for (const name of await namesIn(folder)) {
    if (name.endsWith('.json') || known.has(name)) continue;
    const path = join(folder, name);
    const about = await stat(path).catch(() => undefined);
    if (about && nowMs - about.mtimeMs > writingMs) await rm(path, { force: true });
  }
}

async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
