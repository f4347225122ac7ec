import { parseArgs } from 'node:util';
import { startApiServer } from '@ritmo/api-server';
import { shortLeases } from './short-leases.js';

/** The API server as a program with short leases, so that it can be killed, frozen and set back. */
const { values } = parseArgs({ options: { 'data-dir': { type: 'string' }, port: { type: 'string' } } });
const dataDir = values['data-dir'] ?? '';
const server = await startApiServer({ ...shortLeases, dataDir, port: Number(values.port) });
process.stderr.write(`the API server listens on ${server.url}\n`);
