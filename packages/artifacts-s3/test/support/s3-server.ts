import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { S3Options } from '../../src/index.js';

interface S3rver {
  callback(): RequestListener;
  configureBuckets(): Promise<unknown>;
  close(): Promise<void>;
}
type S3rverClass = new (options: Readonly<Record<string, unknown>>) => S3rver;

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
}

/** Answers a request instead of the server; false lets it through. */
export type Fault = (seen: SeenRequest, request: IncomingMessage, response: ServerResponse) => boolean;

/** An S3 server on loopback, what it was asked, and faults in front of it. */
export class S3Server implements AsyncDisposable {
  readonly directory: string;
  readonly seen: SeenRequest[] = [];
  readonly faults: Fault[] = [];
  readonly #server = createServer((request, response) => this.#answer(request, response));
  #handle: RequestListener = () => undefined;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async start(): Promise<S3Server> {
    const server = new S3Server(await mkdtemp(join(tmpdir(), 'ritmo-s3-')));
    const Server = createRequire(import.meta.url)('s3rver') as S3rverClass;
    const s3rver = new Server({ directory: server.directory, silent: true, configureBuckets: [{ name: 'builds' }] });
    await s3rver.configureBuckets();
    server.#handle = s3rver.callback();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get options(): S3Options {
    return {
      bucket: 'builds',
      endpoint: `http://127.0.0.1:${this.port}`,
      credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    };
  }

  /** Requests of a method, those with a query parameter where one is named. */
  count(method: string, parameter?: string): number {
    return this.seen.filter((one) => one.method === method && (parameter === undefined || one.query.has(parameter)))
      .length;
  }

  /** How often an upload in parts was begun of a key with this end. */
  begun(end: string): number {
    return this.seen.filter(
      ({ method, path, query }) => method === 'POST' && query.has('uploads') && path.endsWith(end),
    ).length;
  }

  /** Resolves once such a request has come. */
  until(matches: (seen: SeenRequest) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!this.seen.some(matches)) return;
        this.#server.off('request', look);
        resolve();
      };
      this.#server.on('request', look);
      look();
    });
  }

  /**
   * Takes so many parts of files, and answers nothing to the ones after them until `letGo`. `held` resolves when the first
   * of these has come.
   */
  holdParts(taken: number): { readonly held: Promise<void>; letGo(): void } {
    let parts = 0;
    let holds = true;
    const held = new Promise<void>((resolve) => {
      this.faults.push(({ query }, request) => {
        if (!query.has('partNumber')) return false;
        parts += 1;
        if (!holds || parts <= taken) return false;
        request.resume();
        resolve();
        return true;
      });
    });
    return {
      held,
      letGo: () => {
        holds = false;
      },
    };
  }

  /** Ids of the multipart uploads that are not finished. */
  async unfinished(): Promise<string[]> {
    const folder = join(this.directory, 'builds', '._S3rver_uploads');
    return readdir(folder).catch(() => []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.directory, { recursive: true, force: true });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const { method = 'GET', headers } = request;
    const seen = { method, path: decodeURIComponent(url.pathname), query: url.searchParams, headers };
    this.seen.push(seen);
    const at = this.faults.findIndex((fault) => fault(seen, request, response));
    if (at >= 0) return;
    if (method === 'DELETE' && url.searchParams.has('uploadId')) void this.#abort(url, response);
    else this.#handle(request, response);
  }

  /** The one call that s3rver does not have. */
  async #abort(url: URL, response: ServerResponse): Promise<void> {
    const id = url.searchParams.get('uploadId') ?? '';
    const folder = join(this.directory, 'builds', '._S3rver_uploads', id);
    if ((await this.unfinished()).includes(id)) {
      // A part whose connection was cut may still be written.
      await rm(folder, { recursive: true, maxRetries: 20, retryDelay: 20 });
      response.writeHead(204).end();
    } else response.writeHead(404).end(errorXml('NoSuchUpload'));
  }
}

export function errorXml(code: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
}

/** Answers the first `times` requests that `matches` with an error of S3. */
export function refuse(
  status: number,
  code: string,
  times: number,
  matches: (seen: SeenRequest) => boolean = () => true,
): Fault {
  let left = times;
  return (seen, request, response) => {
    if (left === 0 || !matches(seen)) return false;
    left -= 1;
    request.resume();
    response.writeHead(status, { 'Content-Type': 'application/xml' }).end(errorXml(code));
    return true;
  };
}
