import { join, relative, resolve } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import { type ArtifactEntry, oneLine, showSize } from '@ritmo/protocol';
import { connect } from '../api/connect.js';
import { exitCodes } from '../exit-codes.js';
import { fetchArtifacts } from '../fetch-artifacts.js';
import type { Output } from '../io.js';
import type { artifactsKeys } from '../options/groups.js';
import { table } from '../render/table.js';
import { onStopSignals } from '../signals.js';
import type { Context } from './command.js';
import { callMs } from './submit.js';
import { jsonText } from '../render/json-text.js';

/** Lists the artifacts of a job, or fetches them: all, or those of one name. */
export async function artifacts({ settings, args, io }: Context<(typeof artifactsKeys)[number]>): Promise<number> {
  const [id = '', verb, name] = args;
  if (verb !== undefined && verb !== 'get')
    throw new RitmoError('RITMO_USAGE', `artifacts does not know ${JSON.stringify(verb)}.`, {
      hint: 'Use `ritmo-agent artifacts JOB-ID get [NAME]`.',
    });
  const stopping = new AbortController();
  using _signals = onStopSignals([() => stopping.abort(new RitmoError('RITMO_CANCELLED', 'Interrupted.'))]);
  const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(callMs)]);
  await using client = await connect(settings, io.env, signal);
  // Of many files there are many pages: as long as each comes.
  const all = (await client.artifacts(id, stopping.signal)).toSorted(byNameAndPath);
  if (verb === undefined) {
    io.out.write(settings.json ? `${jsonText(JSON.stringify({ artifacts: all }), io.out)}\n` : listText(all, io.out));
    return exitCodes.ok;
  }
  const wanted = name === undefined ? all : all.filter((entry) => entry.name === name);
  if (wanted.length === 0) throw nothing(id, name, all);
  const dir = resolve(settings.artifactsDir ?? 'ritmo-artifacts');
  let bytes = 0;
  for await (const file of fetchArtifacts(client, id, wanted, dir, stopping.signal)) {
    bytes += file.size;
    if (settings.json) io.out.write(`${jsonText(JSON.stringify(file), io.out)}\n`);
  }
  if (!settings.json) {
    const where = relative(process.cwd(), join(dir, id)) || '.';
    io.out.write(`${wanted.length} ${wanted.length === 1 ? 'file' : 'files'}, ${showSize(bytes)}, in ${where}\n`);
  }
  return exitCodes.ok;
}

function byNameAndPath(a: ArtifactEntry, b: ArtifactEntry): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return a.path < b.path ? -1 : 1;
}

function listText(entries: readonly ArtifactEntry[], { style }: Output): string {
  if (entries.length === 0) return 'no artifacts on the server\n';
  const rows = entries.map(({ name, path, size, sha256 = '', linkTarget }) => [
    oneLine(name),
    linkTarget === undefined ? showSize(size) : '',
    sha256.slice(0, 12),
    oneLine(linkTarget === undefined ? path : `${path} -> ${linkTarget}`),
  ]);
  return table([['ARTIFACT', 'SIZE', 'SHA256', 'PATH'].map(style.bold), ...rows]);
}

const elsewhere =
  'Those of a worker with an --artifact-store of its own lie there, and the server does not know of them.';

function nothing(id: string, name: string | undefined, all: readonly ArtifactEntry[]): RitmoError {
  if (name === undefined)
    return new RitmoError('RITMO_NOT_FOUND', `The server has no artifacts of job ${id}.`, { hint: elsewhere });
  const names = [...new Set(all.map((entry) => entry.name))];
  return new RitmoError('RITMO_NOT_FOUND', `Job ${id} has no artifact ${JSON.stringify(name)}.`, {
    hint: names.length === 0 ? 'It has none.' : `It has ${names.map(oneLine).join(', ')}.`,
  });
}
