import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that the kernel hands out, where no other program gets one by chance; others for each process. */
let next = 10_000 + ((process.pid * 16) % 20_000);

/** A port of this machine that is free, and is so again once a server that had it was killed. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = next++;
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  await new Promise((resolve) => server.close(resolve));
  return true;
}
