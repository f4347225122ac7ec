import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { type FileEntry, RitmoError } from '@ritmo/agent-core/executor';
import { type Owner, tarAround } from '@ritmo/host-linux';
import { insidePaths } from '../../supervisor/script.js';
import type { RemoteContainer } from './remote-container.js';
import { fileFunctions, printLines, quoted, textOf } from './script-text.js';

const endOfArchive = Buffer.alloc(1024);
/** Smaller files go into one archive together, up to so many of them or so many bytes. */
const smallBytes = 1024 * 1024;
const batchBytes = 8 * 1024 * 1024;
const batchFiles = 500;

interface Whole {
  readonly entry: FileEntry;
  /** Below the folder, one character a byte. */
  readonly parts: readonly string[];
  readonly content: Buffer;
}

/**
 * Puts files into a container between its steps. Into the private folder, which is memory, by a script of ours, since
 * the daemon cannot see it; into the workspace by archives, after a script has made sure that no link is in the way.
 */
export class RemoteFiles {
  readonly #container: RemoteContainer;
  readonly #owner: Owner;

  constructor(container: RemoteContainer, owner: Owner) {
    this.#container = container;
    this.#owner = owner;
  }

  async put(files: AsyncIterable<FileEntry> | Iterable<FileEntry>, dest: string, signal: AbortSignal): Promise<void> {
    const { root, below } = located(dest);
    const isPrivate = root === insidePaths.privateDir;
    let batch: Whole[] = [];
    let bytes = 0;
    const flush = async () => {
      if (batch.length > 0) await (isPrivate ? this.#print(batch) : this.#send(batch, root, signal));
      batch = [];
      bytes = 0;
    };
    for await (const entry of files) {
      signal.throwIfAborted();
      const parts = [...below, ...partsOf(entry.pathBytes ?? entry.path, entry.path)];
      if (parts.length === below.length) throw escape(entry.path);
      if (entry.kind === 'file' && entry.size > smallBytes && !isPrivate) {
        await flush();
        await this.#prepare([parts], root);
        await this.#stream(entry, parts, root, signal);
        continue;
      }
      const content = entry.kind === 'file' ? await contentOf(entry) : Buffer.alloc(0);
      batch.push({ entry, parts, content });
      bytes += content.length;
      if (bytes > batchBytes || batch.length >= batchFiles) await flush();
    }
    await flush();
  }

  async remove(paths: readonly string[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const lines = paths.map((path) => {
      const { root, below } = located(path);
      if (below.length === 0) throw escape(path);
      const folders = below.slice(0, -1).map((_, i) => quoted(inside(root, below.slice(0, i + 1))));
      const link = folders.map((folder) => `[ ! -L ${folder} ] && `).join('');
      return `${link}_ritmo_clear ${quoted(inside(root, below))}\n`;
    });
    if (lines.length > 0) await this.#run(lines);
  }

  async #print(batch: readonly Whole[]): Promise<void> {
    const lines: string[] = ['umask 077\n'];
    for (const { entry, parts, content } of batch) {
      const path = quoted(inside(insidePaths.privateDir, parts));
      lines.push(...folderLines(insidePaths.privateDir, parts), `_ritmo_clear ${path}\n`, `set -- ${path}\n`);
      if (entry.kind === 'link') {
        lines.push(`ln -s -- ${quoted(textOf(entry.target))} "$1" || _ritmo_no "$1"\n`);
        continue;
      }
      const mode = (entry.mode & 0o777).toString(8);
      lines.push(': >"$1" || _ritmo_no "$1"\n', ...printLines(content), `chmod ${mode} "$1" || _ritmo_no "$1"\n`);
    }
    await this.#run(lines);
  }

  async #send(batch: readonly Whole[], root: string, signal: AbortSignal): Promise<void> {
    await this.#prepare(
      batch.map(({ parts }) => parts),
      root,
    );
    const blocks = batch.flatMap(({ entry, parts, content }) => {
      const { head, tail } = tarAround(
        sized(entry, content.length),
        Buffer.from(parts.join('/'), 'latin1'),
        this.#owner,
      );
      return [head, content, tail.subarray(0, tail.length - endOfArchive.length)];
    });
    const archive = Buffer.concat([...blocks, endOfArchive]);
    await this.#container.calls.putArchive(this.#container.id, root, archive, signal);
  }

  async #stream(
    entry: Extract<FileEntry, { kind: 'file' }>,
    parts: readonly string[],
    root: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { head, tail } = tarAround(entry, Buffer.from(parts.join('/'), 'latin1'), this.#owner);
    const archive = async function* () {
      yield head;
      let sent = 0;
      for await (const chunk of entry.body) {
        sent += chunk.length;
        yield chunk;
      }
      if (sent !== entry.size) {
        throw new RitmoError('RITMO_INTERNAL', `${entry.path} has ${sent} bytes, and not ${entry.size}.`);
      }
      yield tail;
    };
    await this.#container.calls.putArchive(this.#container.id, root, Readable.from(archive()), signal);
  }

  /** Makes the folders as the user of the steps, and takes away what is there under the names. */
  async #prepare(paths: ReadonlyArray<readonly string[]>, root: string): Promise<void> {
    const folders = new Set(paths.flatMap((parts) => folderLines(root, parts)));
    await this.#run([...folders, ...paths.map((parts) => `_ritmo_clear ${quoted(inside(root, parts))}\n`)]);
  }

  async #run(lines: readonly string[]): Promise<void> {
    const said = (await this.#container.script(`${fileFunctions}${lines.join('')}echo done\nexit\n`)).trim();
    if (said === 'done') return;
    const path = Buffer.from(said.replace(/^\w+ /, ''), 'latin1').toString();
    if (said.startsWith('escape ')) throw escape(path);
    throw new RitmoError('RITMO_SANDBOX_BROKEN', `${path || 'A file'} could not be written in the container.`, {
      hint: 'Is its file system full? The image needs mkdir, rm, ln and chmod.',
    });
  }
}

const inside = (root: string, parts: readonly string[]) => [root, ...parts].join('/');

const folderLines = (root: string, parts: readonly string[]) =>
  parts.slice(0, -1).map((_, i) => `_ritmo_folder ${quoted(inside(root, parts.slice(0, i + 1)))}\n`);

/** The bytes are counted, whatever was announced. */
const sized = (entry: FileEntry, size: number): FileEntry => (entry.kind === 'file' ? { ...entry, size } : entry);

async function contentOf({ body }: Extract<FileEntry, { kind: 'file' }>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** The folder that a path is in, and its names below that. */
function located(path: string): { readonly root: string; readonly below: readonly string[] } {
  const normal = posix.normalize(path).replace(/\/$/, '');
  for (const root of [insidePaths.privateDir, insidePaths.workspace]) {
    if (normal === root) return { root, below: [] };
    if (normal.startsWith(`${root}/`)) return { root, below: partsOf(normal.slice(root.length + 1), path) };
  }
  throw new RitmoError('RITMO_WORKSPACE_ESCAPE', `${path} is neither in the workspace nor in the private folder.`);
}

function partsOf(path: string | Uint8Array, shown: string): string[] {
  const text = textOf(path);
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  if (text.startsWith('/') || parts.includes('..') || text.includes('\0')) throw escape(shown);
  return parts;
}

function escape(path: string): RitmoError {
  return new RitmoError('RITMO_WORKSPACE_ESCAPE', `The path "${path}" is absolute, or leads through a link or a file.`);
}
