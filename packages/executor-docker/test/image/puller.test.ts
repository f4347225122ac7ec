import { PassThrough } from 'node:stream';
import type { Clock } from '@ritmo/agent-core/executor';
import { expect, it } from 'vitest';
import type { Credentials, DockerClient } from '../../src/docker/client.js';
import { Puller } from '../../src/image/puller.js';
import { parseReference } from '../../src/image/reference.js';

const image = parseReference('registry.example.com/tools/node:22');
const MiB = 2 ** 20;
const never = new AbortController().signal;

/** A daemon that says of a pull what a test has it say. */
function bench(idleMs = 60_000) {
  let now = 0;
  const pulls: PassThrough[] = [];
  const asked: Array<Credentials | undefined> = [];
  const docker: Pick<DockerClient, 'pull'> = {
    pull: (_, auth) => {
      const stream = new PassThrough();
      pulls.push(stream);
      asked.push(auth);
      return Promise.resolve(stream);
    },
  };
  const clock: Pick<Clock, 'monotonic'> = { monotonic: () => now };
  const say = async (event: object) => {
    pulls.at(-1)?.write(`${JSON.stringify(event)}\n`);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    puller: new Puller(docker as DockerClient, clock as Clock, idleMs),
    pulls,
    asked,
    say,
    pass: (ms: number) => (now += ms),
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const layer = (id: string, current: number) => ({
  ...{ id, status: 'Downloading' },
  progressDetail: { current: current * MiB, total: 100 * MiB },
});

it('says how far a pull is, of all layers together and not with every line', async () => {
  const { puller, say, pass, pulls } = bench();
  const notes: string[] = [];
  const pulled = puller.pull(image, undefined, (note) => notes.push(note), never);
  await settled();
  await say(layer('a', 10));
  await say(layer('b', 20));
  pass(6_000);
  await say(layer('a', 40));
  await say(layer('a', 50));
  pulls[0]?.end();
  await pulled;
  expect(notes).toEqual([`Pulling ${image.full}.`, `Pulling ${image.full}, 30 % of 200 MiB.`]);
});

it('asks once for all builds that want an image at once, and once more for other credentials', async () => {
  const { puller, pulls, asked } = bench();
  const auth = { username: 'builder', password: 'secret' };
  const all = [undefined, undefined, auth, undefined, auth].map((each) =>
    puller.pull(image, each, () => undefined, never),
  );
  await settled();
  expect(asked).toEqual([undefined, auth]);
  for (const stream of pulls) stream.end();
  await Promise.all(all);
  const again = puller.pull(image, undefined, () => undefined, never);
  await settled();
  expect(asked).toHaveLength(3);
  pulls[2]?.end();
  await again;
});

it('goes on for the others when one build is cancelled, and stops with the last', async () => {
  const { puller, pulls } = bench();
  const first = new AbortController();
  const second = new AbortController();
  const one = puller.pull(image, undefined, () => undefined, first.signal);
  const other = puller.pull(image, undefined, () => undefined, second.signal);
  for (const each of [one, other]) each.catch(() => undefined);
  await settled();
  first.abort(new Error('the first'));
  await expect(one).rejects.toThrow('the first');
  expect(pulls[0]?.destroyed).toBe(false);
  second.abort(new Error('the second'));
  await expect(other).rejects.toThrow('the second');
  await settled();
  expect(pulls[0]?.destroyed).toBe(true);
});

it('gives up a pull that says the same again and again', async () => {
  const { puller, say } = bench(100);
  const pulled = puller.pull(image, undefined, () => undefined, never);
  const over = pulled.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  await settled();
  const saying = setInterval(() => void say({ id: 'a', status: 'Waiting' }), 10);
  const why = await over;
  clearInterval(saying);
  expect(why).toMatchObject({
    code: 'RITMO_REGISTRY_UNREACHABLE',
    message: expect.stringContaining('no progress'),
  });
});
