import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A cache for the vm executors of one run of the tests: templates and images are made once, and gone afterwards. */
export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'ritmo-vm-cache-'));
  chmodSync(folder, 0o711);
  process.env['RITMO_TEST_VM_CACHE'] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
