// Answers every PUT some milliseconds after its last byte, as a store at the other end of a network does; keeps nothing.
import { createServer } from 'node:http';

const afterMs = Number(process.argv[2]);
const server = createServer((request, response) => {
  request.resume();
  request.once('end', () => setTimeout(() => response.writeHead(200, { ETag: '"1"' }).end(), afterMs));
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
