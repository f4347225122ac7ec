import { describe, expect, it } from 'vitest';
import type { WorkerEvent } from '@ritmo/protocol';
import { type Behaviour, fakeServer, page, refusal } from './fake-server.js';
import { fastClock, never, registered, registrationAnswer } from './support.js';

const cancel = { type: 'cancel', jobId: 'job1', epoch: 3, reason: 'user', graceMs: 10 } as const;

/** A stream of these chunks, which then ends or stays open. */
function stream(chunks: readonly string[], end: boolean): Behaviour {
  return (_seen, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    for (const chunk of chunks) response.write(chunk);
    if (end) response.end();
  };
}

function event(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

async function all(events: AsyncIterable<WorkerEvent>): Promise<WorkerEvent[]> {
  const list: WorkerEvent[] = [];
  for await (const entry of events) list.push(entry);
  return list;
}

describe('the events of a worker', () => {
  it('come as they happen and go on after the last one when the stream is opened again', async () => {
    await using server = await fakeServer();
    await using transport = await registered(server);
    const text = event({ seq: 5, ...cancel });
    server.script.push(
      stream([': hello\n\n', text.slice(0, 20), text.slice(20)], true),
      stream([event({ seq: 6, type: 'drain' })], true),
    );
    await expect(all(transport.events(never()))).resolves.toEqual([{ seq: 5, ...cancel }]);
    await expect(all(transport.events(never()))).resolves.toEqual([{ seq: 6, type: 'drain' }]);
    expect(server.seen.slice(1).map((seen) => seen.url)).toEqual([
      '/v1/workers/w1/events?after=0',
      '/v1/workers/w1/events?after=5',
    ]);
    expect(server.seen[1]?.headers).toMatchObject({
      accept: 'text/event-stream',
      authorization: 'Bearer worker-token',
    });
  });

  it('of a kind that is not known, or that are no JSON, are passed over', async () => {
    await using server = await fakeServer();
    await using transport = await registered(server);
    server.script.push(
      stream([event({ seq: 1, type: 'sing' }), 'data: {{\n\n', event({ seq: 2, type: 'pause', more: 1 })], true),
    );
    await expect(all(transport.events(never()))).resolves.toEqual([{ seq: 2, type: 'pause' }]);
  });

  it('are waited for while the server is away', async () => {
    await using server = await fakeServer(stream([event({ seq: 1, type: 'resume' })], true));
    await using transport = await registered(server);
    server.script.push(page(502), page(200), refusal(503, 'RITMO_UNAVAILABLE'));
    await expect(all(transport.events(never()))).resolves.toHaveLength(1);
  });

  it('reject when the connection breaks', async () => {
    await using server = await fakeServer((_seen, response, socket) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(event({ seq: 1, type: 'pause' }), () => socket.destroy());
    });
    await using transport = await registered(server);
    await expect(all(transport.events(never()))).rejects.toMatchObject({ code: 'RITMO_SERVER_UNREACHABLE' });
  });

  it('are opened again with growing pauses when streams end at once', async () => {
    await using server = await fakeServer(stream([], true));
    const clock = fastClock();
    await using transport = await registered(server, { clock, random: () => 1 });
    for (let n = 0; n < 4; n++) await all(transport.events(never()));
    expect(clock.sleeps).toEqual([500, 1000, 2000]);
  });

  it('end with the signal while nothing happens', async () => {
    const controller = new AbortController();
    await using server = await fakeServer();
    await using transport = await registered(server);
    server.script.push(stream([event({ seq: 1, type: 'pause' })], false));
    const act = async () => {
      for await (const entry of transport.events(controller.signal))
        controller.abort(new Error(`enough of ${entry.type}`));
    };
    await expect(act()).rejects.toThrow('enough');
  });

  it('are opened with a new token when the old one is not known any more', async () => {
    await using server = await fakeServer();
    await using transport = await registered(server);
    server.otherwise = (seen, response, socket) => {
      if (seen.url === '/v1/workers') {
        response.writeHead(201).end(JSON.stringify({ ...registrationAnswer, workerToken: 'new' }));
        return;
      }
      const good = seen.headers.authorization === 'Bearer new';
      return good
        ? stream([], true)(seen, response, socket)
        : refusal(401, 'RITMO_UNAUTHORIZED')(seen, response, socket);
    };
    await expect(all(transport.events(never()))).resolves.toEqual([]);
  });

  it('that are too long break the stream instead of the memory', async () => {
    await using server = await fakeServer(stream(['data: ', 'x'.repeat(200_000)], false));
    await using transport = await registered(server);
    await expect(all(transport.events(never()))).rejects.toMatchObject({
      code: 'RITMO_SERVER_UNREACHABLE',
      message: expect.stringMatching(/too long/),
    });
  });
});
