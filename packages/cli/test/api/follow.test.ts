import { RitmoError } from '@ritmo/agent-core/executor';
import type { JobDetail } from '@ritmo/protocol';
import { describe, expect, test } from 'vitest';
import { follow } from '../../src/api/follow.js';

const lost = () => new RitmoError('RITMO_SERVER_UNREACHABLE', 'The API server does not answer.');

function logOf(epoch: number, ...notes: readonly string[]): string {
  const header = { k: 'log', v: 1, job: 'j', epoch, start: '2026-01-01T00:00:00Z' };
  return [header, ...notes.map((m) => ({ t: 0, k: 'note', level: 'info', m }))]
    .map((record) => `${JSON.stringify(record)}\n`)
    .join('');
}

/** A server in memory: `logs` by epoch; each call breaks off where `breaks` says, counted in bytes of its answer. */
class FakeServer {
  readonly calls: Array<{ attempt?: number; offset?: number }> = [];
  state: JobDetail['state'] = 'succeeded';
  readonly #logs: ReadonlyMap<number, string>;
  readonly #breaks: Array<number | 'refused' | undefined>;

  constructor(logs: ReadonlyMap<number, string>, breaks: Array<number | 'refused' | undefined>) {
    this.#logs = logs;
    this.#breaks = breaks;
  }

  edition = 1;

  async *log(
    _id: string,
    from: { attempt?: number; offset?: number; heard?: (edition: number) => void },
  ): AsyncGenerator<Uint8Array> {
    const { heard, ...asked } = from;
    this.calls.push(asked);
    heard?.(this.edition);
    const whole = from.attempt === undefined ? [...this.#logs.values()].join('') : (this.#logs.get(from.attempt) ?? '');
    const bytes = Buffer.from(whole).subarray(from.offset ?? 0);
    const stop = this.#breaks.shift();
    if (stop === 'refused') throw lost();
    // In small pieces, as a network may cut them.
    for (let at = 0; at < Math.min(stop ?? bytes.length, bytes.length); at += 7)
      yield bytes.subarray(at, Math.min(at + 7, stop ?? bytes.length));
    if (stop !== undefined) throw lost();
  }

  async job(): Promise<JobDetail> {
    const attempts = [...this.#logs].map(([epoch, text]) => ({
      epoch,
      state: this.state,
      log: { length: Buffer.byteLength(text), sealed: true },
    }));
    return { id: 'j', state: this.state, attempts } as unknown as JobDetail;
  }
}

async function read(server: FakeServer, connection: string[] = [], patienceMs = 60_000) {
  const lines: string[] = [];
  const following = follow({
    client: server,
    jobId: 'j',
    signal: new AbortController().signal,
    onBegunAnew: () => connection.push('anew'),
    onConnection: (error) => connection.push(error === undefined ? 'back' : 'lost'),
    pauseMs: 0,
    patienceMs,
  });
  for (;;) {
    const next = await following.next();
    if (next.done === true) return { text: lines.join(''), job: next.value };
    lines.push(`${next.value.text}\n`);
  }
}

describe('following a log', () => {
  const first = logOf(1, 'one', 'two – zwölf', 'three');
  const second = logOf(3, 'again', 'done');
  const logs = new Map([
    [1, first],
    [3, second],
  ]);

  test('yields every line of every attempt, and ends with the job', async () => {
    const { text, job } = await read(new FakeServer(logs, []));
    expect(text).toBe(first + second);
    expect(job.state).toBe('succeeded');
  });

  test('begins again where the log that it read was begun anew, and only there', async () => {
    const server = new FakeServer(logs, [Buffer.byteLength(first) + 20, undefined]);
    const before = server.log.bind(server);
    // While the connection is lost, the second attempt's log becomes another.
    server.log = (id, from) => {
      if (from.attempt === 3) server.edition = 2;
      return before(id, from);
    };
    const told: string[] = [];
    const { text } = await read(server, told);
    expect(text).toBe(first + second);
    const cut = new FakeServer(logs, [Buffer.byteLength(first + second) - 5]);
    const whole = cut.log.bind(cut);
    cut.log = (id, from) => {
      if (from.attempt === 3) cut.edition = 2;
      return whole(id, from);
    };
    const lines = second.split('\n').slice(0, -2).join('\n');
    expect((await read(cut, told)).text).toBe(`${first}${lines}\n${second}`);
    expect(told).toContain('anew');
  });

  test('goes on without gap or repeat wherever the connection breaks', async () => {
    const all = Buffer.byteLength(first + second);
    // The first answer must have come before a loss counts as one.
    const header = Buffer.byteLength(first.slice(0, first.indexOf('\n') + 1));
    const cuts = Array.from({ length: all - header + 1 }, (_, index) => header + index);
    const texts = await Promise.all(
      cuts.map(async (at) => (await read(new FakeServer(logs, [at, 3, 'refused', 11]))).text),
    );
    expect(texts.filter((text) => text !== first + second)).toEqual([]);
    expect(texts.length).toBeGreaterThan(200);
  });

  test('asks only for what it does not have', async () => {
    const header = Buffer.byteLength(`${first.split('\n')[0]}\n`);
    const server = new FakeServer(new Map([[1, first]]), [header + 5]);
    await read(server);
    expect(server.calls).toEqual([{ follow: true }, { attempt: 1, offset: header, follow: true }]);
  });

  test('says once that the server is lost, and once that it is back', async () => {
    const connection: string[] = [];
    await read(new FakeServer(new Map([[1, first]]), [first.length, 'refused', 'refused']), connection);
    expect(connection).toEqual(['lost', 'back']);
  });

  test('ends with the error where the server was never there', async () => {
    await expect(read(new FakeServer(logs, ['refused']))).rejects.toMatchObject({ code: 'RITMO_SERVER_UNREACHABLE' });
  });

  test('ends with the error when patience does', async () => {
    const server = new FakeServer(new Map([[1, first]]), [
      first.length,
      ...Array.from({ length: 100_000 }, () => 'refused' as const),
    ]);
    await expect(read(server, [], 20)).rejects.toMatchObject({ code: 'RITMO_SERVER_UNREACHABLE' });
  });

  test.each([[[]], [[first.length]]])(
    'takes a last line that was cut off for ever as the end, also after %j',
    async (breaks) => {
      const { text } = await read(new FakeServer(new Map([[1, `${first}{"t":1,"k":"no`]]), breaks));
      expect(text).toBe(first);
    },
  );
});
