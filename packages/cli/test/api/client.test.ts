import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { ApiClient } from '../../src/api/client.js';

const summary = {
  id: 'j1',
  name: 'x',
  state: 'queued',
  cancelling: false,
  epoch: 0,
  labels: {},
  createdAt: '2026-01-01T00:00:00Z',
};
const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function clientOf(listener: RequestListener): Promise<ApiClient> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return new ApiClient({ base: `http://127.0.0.1:${port}`, loopback: true, token: 'user-token', tls: {} });
}

const signal = AbortSignal.timeout(20_000);
const job = { name: 'x', steps: [{ run: 'true' }] };

describe('the client of the API server', () => {
  test('sends the token, and reads the answer', async () => {
    let seen: unknown;
    await using client = await clientOf((request, response) => {
      seen = [request.method, request.url, request.headers.authorization];
      response.end(JSON.stringify({ jobs: [summary] }));
    });
    expect(await client.jobs(signal)).toMatchObject([{ id: 'j1' }]);
    expect(seen).toEqual(['GET', '/v1/jobs', 'Bearer user-token']);
  });

  test('gives up an answer without an end', async () => {
    const piece = Buffer.alloc(4 * 1024 * 1024, ' ');
    await using client = await clientOf((_request, response) => {
      const more = (): void => void response.write(piece, more);
      response.on('error', () => undefined);
      more();
    });
    await expect(client.jobs(signal)).rejects.toMatchObject({
      code: 'RITMO_SERVER_UNREACHABLE',
      message: expect.stringContaining('does not come to an end') as string,
    });
  });

  test('reads all pages of the artifacts of a job', async () => {
    const entry = (n: number) => ({
      artifactId: `artifact-${n}`,
      epoch: 1,
      name: 'x',
      path: `${n}`,
      size: 0,
      mode: 0,
      contentType: 'x',
    });
    const seen: (string | undefined)[] = [];
    await using client = await clientOf((request, response) => {
      seen.push(request.url);
      const first = seen.length === 1;
      response.end(JSON.stringify(first ? { artifacts: [entry(1)], cursor: '7&' } : { artifacts: [entry(2)] }));
    });
    expect((await client.artifacts('j1', signal)).map((one) => one.path)).toEqual(['1', '2']);
    expect(seen).toEqual(['/v1/jobs/j1/artifacts?limit=500', '/v1/jobs/j1/artifacts?limit=500&cursor=7%26']);
  });

  test('takes a server for a foreign one that answers no artifacts and names a next page', async () => {
    await using client = await clientOf((_request, response) => {
      response.end(JSON.stringify({ artifacts: [], cursor: '1' }));
    });
    await expect(client.artifacts('j1', signal)).rejects.toMatchObject({ code: 'RITMO_SERVER_UNREACHABLE' });
  });

  test('tells the word of the server as it is', async () => {
    await using client = await clientOf((_request, response) => {
      response.statusCode = 403;
      response.end(
        JSON.stringify({ error: { code: 'RITMO_FORBIDDEN', message: 'Not yours.', retryable: false, hint: 'Ask.' } }),
      );
    });
    await expect(client.job('j1', signal)).rejects.toMatchObject({
      code: 'RITMO_FORBIDDEN',
      message: 'Not yours.',
      hint: 'Ask.',
    });
  });

  test.each([
    [404, '<html>not here</html>'],
    [200, '<html>welcome</html>'],
    [200, '{"jobs": [{"id": 5}]}'],
  ])('takes an answer of %i that is not of the API for no API server', async (status, body) => {
    await using client = await clientOf((_request, response) => {
      response.statusCode = status;
      response.end(body);
    });
    await expect(client.jobs(signal)).rejects.toMatchObject({
      code: 'RITMO_SERVER_UNREACHABLE',
      message: expect.stringContaining('is not a Ritmo API server'),
    });
  });

  test('says that nothing listens, where nothing does', async () => {
    const client = await clientOf((_request, response) => response.end());
    const [server] = servers.splice(0);
    await new Promise((resolve) => server?.close(resolve));
    await expect(client.jobs(signal)).rejects.toMatchObject({
      code: 'RITMO_SERVER_UNREACHABLE',
      message: expect.stringMatching(
        /^The API server at http:\/\/127\.0\.0\.1:\d+ does not answer: nothing listens there\.$/,
      ),
    });
    await client[Symbol.asyncDispose]();
  });

  test('submits once more under the same key when the answer was lost', async () => {
    const keys: unknown[] = [];
    await using client = await clientOf((request, response) => {
      keys.push(request.headers['idempotency-key']);
      request.resume();
      request.on('end', () => {
        if (keys.length === 1) response.socket?.destroy();
        else response.writeHead(201).end(JSON.stringify(summary));
      });
    });
    expect(await client.submit({ job }, signal)).toMatchObject({ id: 'j1' });
    expect(keys).toHaveLength(2);
    expect(keys[0]).toBe(keys[1]);
  });

  test('a log that is cut off is an error, not an end', async () => {
    await using client = await clientOf((_request, response) => {
      response.write('{"k":"log"}\n', () => response.socket?.destroy());
    });
    const read = async () => {
      let text = '';
      for await (const bytes of client.log('j1', { follow: true }, signal)) text += Buffer.from(bytes).toString();
      return text;
    };
    await expect(read()).rejects.toMatchObject({ code: 'RITMO_SERVER_UNREACHABLE' });
  });
});
