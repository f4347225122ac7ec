import { expect, it } from 'vitest';
import { sh, Workbench } from './support/bench.js';

/** Takes the launcher's descriptor 2 by pidfd, where the kernel lets it, and says an end of its own. */
const forge = (line: string) => `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in [p for p in os.listdir('/proc') if p.isdigit()]:
    fd = libc.syscall(434, int(pid), 0)
    n = libc.syscall(438, fd, 2, 0)
    if n >= 0 and os.readlink('/proc/self/fd/%d' % n) == os.readlink('/proc/2/fd/2'): os.write(n, b"${line}\\n")
`;

it.each(['ended 999 0', 'ended 0 0'])('a step does not choose how it ends by a report of its own: %s', async (line) => {
  await using bench = await Workbench.open();
  const sandbox = await bench.sandbox();
  const run = sh(sandbox, 'python3 -c "$1"; exit 7', [forge(line)]);
  const settled = await run.then(
    ({ exit }) => exit,
    (error: unknown) => error,
  );
  // Where it reached the descriptor, the forgery is seen; where the kernel or the filter refused, nothing happened.
  expect([{ status: 'exited', code: 7 }, expect.objectContaining({ code: 'RITMO_SANDBOX_BROKEN' })]).toContainEqual(
    settled,
  );
});
