// Readers of the log at a URL, in a process of their own. Each line of standard input says how many more come; once
// all that are there have had the wanted bytes, standard output says so.
import { Agent, get } from 'node:http';
import { createInterface } from 'node:readline';

const [url = '', wanted = '0'] = process.argv.slice(2);
const headers = { authorization: process.env.RITMO_BENCH_AUTHORIZATION };
const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
const got = [];

function come() {
  const index = got.push(0) - 1;
  get(url, { agent, headers }, (answer) => {
    answer.on('data', (chunk) => (got[index] += chunk.length));
    // The bench goes away in the end, and the server then too.
    answer.on('error', () => undefined);
  }).on('error', (error) => {
    if (got[index] === 0) throw error;
  });
}

createInterface({ input: process.stdin }).on('line', (line) => {
  for (let left = Number(line); left > 0; left--) come();
  const look = setInterval(() => {
    if (Math.min(...got) < Number(wanted)) return;
    clearInterval(look);
    process.stdout.write('all\n');
  }, 50);
});
