import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A proxy that hands every call on, and loses as many answers as it is told to. */
export class LossyProxy {
  /** How many answers are lost from now on; those of event streams are not. */
  lose = 0;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server: Server;
  readonly #target: URL;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((from, to) => this.#forward(from, to));
  }

  static async start(target: string): Promise<LossyProxy> {
    const proxy = new LossyProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #forward(from: IncomingMessage, to: ServerResponse): void {
    const { hostname, port } = this.#target;
    const { url: path, method, headers } = from;
    const onward = request({ hostname, port, path, method, headers, agent: this.#agent }, (answer) => {
      const isLost = this.lose > 0 && answer.headers['content-type'] !== 'text/event-stream';
      if (!isLost) {
        to.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(to);
        return;
      }
      this.lose -= 1;
      answer.resume().once('end', () => to.destroy());
    });
    onward.once('error', () => to.destroy());
    to.once('close', () => onward.destroy());
    from.pipe(onward);
  }
}
