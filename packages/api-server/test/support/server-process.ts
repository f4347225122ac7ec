import { startApiServer } from '../../src/index.js';

/** A server in a process of its own: prints its address, and runs until it is killed. */
const [, , dataDir = '', port = '0'] = process.argv;
const server = await startApiServer({ dataDir, port: Number(port) });
process.stdout.write(`${server.url}\n`);
