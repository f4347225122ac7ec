import { Agent, createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One call that went through the tap; times in milliseconds of `performance.now()`. */
export interface TappedCall {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly asked: number;
  readonly answered: number;
  /** Body of the answer, where it is JSON and small. */
  readonly body: string;
}

export interface Tap extends AsyncDisposable {
  readonly url: string;
  readonly calls: readonly TappedCall[];
  clear(): void;
  /** Which calls break before the server hears of them; none where it is not set. */
  breaks: (path: string) => boolean;
  /** Breaks all connections that there are. */
  cut(): void;
}

const keptBody = 65_536;

/** A reverse proxy that notes when each call was asked and answered: what it adds itself is well under a millisecond. */
export async function startTap(target: string): Promise<Tap> {
  const { hostname, port } = new URL(target);
  const calls: TappedCall[] = [];
  const agent = new Agent({ keepAlive: true });
  const tap = {
    url: '',
    calls,
    breaks: (_path: string) => false,
    clear: () => void calls.splice(0),
    cut: () => server.closeAllConnections(),
    async [Symbol.asyncDispose]() {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const server = createServer((from, to) => {
    if (tap.breaks(from.url ?? '')) {
      from.destroy();
      return;
    }
    const asked = performance.now();
    const options = { hostname, port, path: from.url, method: from.method, headers: from.headers, agent };
    const onward = request(options, (answer: IncomingMessage) => {
      to.writeHead(answer.statusCode ?? 502, answer.headers);
      let body = '';
      answer.on('data', (chunk: Buffer) => {
        if (body.length < keptBody) body += chunk.toString();
      });
      answer.once('end', () => {
        const { method = '', url: path = '' } = from;
        calls.push({ method, path, status: answer.statusCode ?? 0, asked, answered: performance.now(), body });
      });
      answer.pipe(to);
    });
    onward.once('error', () => to.destroy());
    to.once('close', () => onward.destroy());
    from.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  tap.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return tap;
}
