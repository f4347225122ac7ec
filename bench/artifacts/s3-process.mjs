// An S3 server of its own process, so that it does not share the processor time that is measured.
import { createRequire } from 'node:module';

const [directory, from] = process.argv.slice(2);
const S3rver = createRequire(from)('s3rver');
const server = new S3rver({ directory, port: 0, silent: true, configureBuckets: [{ name: 'bench' }] });
const { port } = await server.run();
process.stdout.write(`${port}\n`);
