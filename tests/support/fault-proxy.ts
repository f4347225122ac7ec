import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/**
 * What becomes of one call. `cut`: the server gets it and commits, and half of its answer arrives. `lose`: likewise,
 * and nothing arrives. `page`: a proxy's own 503 page, the server hears nothing. `reset`: the connection breaks
 * before the server hears of it. `cut-body`: likewise in the middle of the call's body. `hang`: nobody answers, ever.
 * `spoil-body`: the first `line` of the call's body arrives as `lime`.
 */
export type Fault = 'pass' | 'cut' | 'lose' | 'page' | 'reset' | 'cut-body' | 'hang' | 'spoil-body';

/** A line that is slow. */
export interface Line {
  /** Before each call goes on, in milliseconds. */
  readonly latencyMs?: number;
  /** Of the bodies of all calls together. */
  readonly bytesPerSecond?: number;
}

export interface FaultProxy {
  readonly url: string;
  /** Every call that came, as `METHOD path`. */
  readonly calls: readonly string[];
  /** Decides for each call; `pass` for all where it is not set. */
  fault: (call: string) => Fault;
  /** How slow the way to the server is; not at all where it is not set. */
  line: Line;
  /** Resolves when a call like this has come, also one that came already. */
  seen(pattern: RegExp): Promise<void>;
}

const page = '<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>';

/** A proxy in front of the API server that injects faults; closed after the test. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(target);
  const agent = new Agent({ keepAlive: true });
  const calls: string[] = [];
  const waiting = new Set<() => void>();
  const proxy = {
    url: '',
    calls,
    fault: (_call: string): Fault => 'pass',
    line: {} as Line,
    async seen(pattern: RegExp): Promise<void> {
      while (!calls.some((call) => pattern.test(call))) await new Promise<void>((resolve) => waiting.add(resolve));
    },
  };
  // When the line is free again, by `performance.now()`.
  let freeAt = 0;
  const slowed = async (bytes: number): Promise<void> => {
    const { bytesPerSecond } = proxy.line;
    if (bytesPerSecond === undefined) return;
    freeAt = Math.max(freeAt, performance.now()) + (bytes / bytesPerSecond) * 1000;
    await delay(freeAt - performance.now());
  };
  const server = createServer((from, to) => {
    const call = `${from.method} ${from.url}`;
    calls.push(call);
    for (const wake of waiting) wake();
    waiting.clear();
    const fault = proxy.fault(call);
    if (fault === 'hang') from.resume();
    else if (fault === 'reset') from.destroy();
    else if (fault === 'page') from.resume().once('end', () => answerPage(to));
    else if (fault === 'cut-body') from.once('data', () => from.destroy());
    else {
      void delay(proxy.line.latencyMs ?? 0).then(() => forward(from, to, { hostname, port, agent, slowed }, fault));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    agent.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return Object.assign(proxy, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

interface Target {
  readonly hostname: string;
  readonly port: string;
  readonly agent: Agent;
  readonly slowed: (bytes: number) => Promise<void>;
}

function answerPage(to: ServerResponse): void {
  to.writeHead(503, { 'content-type': 'text/html', 'content-length': page.length });
  to.end(page);
}

function forward(
  from: IncomingMessage,
  to: ServerResponse,
  { slowed, ...target }: Target,
  fault: 'pass' | 'cut' | 'lose' | 'spoil-body',
): void {
  const options = { ...target, path: from.url, method: from.method, headers: from.headers };
  const onward = request(options, (answer) => {
    if (fault === 'pass' || fault === 'spoil-body') {
      to.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(to);
    } else void spoil(answer, to, fault);
  });
  onward.once('error', () => to.destroy());
  to.once('close', () => onward.destroy());
  if (fault === 'spoil-body') from.once('data', spoilLine);
  void pipeSlowly(from, onward, slowed);
}

/** Nothing more is read while the line is busy, so the sender feels it. */
async function pipeSlowly(from: IncomingMessage, onward: Writable, slowed: Target['slowed']): Promise<void> {
  try {
    for await (const chunk of from) {
      await slowed((chunk as Buffer).length);
      onward.write(chunk);
    }
    onward.end();
  } catch {
    // The caller went: its call goes no further.
    onward.destroy();
  }
}

function spoilLine(chunk: Buffer): void {
  const at = chunk.indexOf('line');
  if (at >= 0) chunk.write('lime', at);
}

async function spoil(answer: IncomingMessage, to: ServerResponse, fault: 'cut' | 'lose'): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  if (fault === 'lose' || body.length < 2) {
    to.destroy();
    return;
  }
  to.writeHead(answer.statusCode ?? 502, { ...answer.headers, 'content-length': String(body.length) });
  to.write(body.subarray(0, body.length >> 1), () => to.destroy());
}
