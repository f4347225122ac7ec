import { createHash } from 'node:crypto';
import { constants, accessSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { unlessErrno } from '@ritmo/host-linux';
import { unavailable } from '../unavailable.js';
import { tryKvm, type KvmTrial } from './try-kvm.js';

export interface Accelerator {
  readonly accelerator: 'kvm' | 'tcg';
  /** Why it is this one, for people. */
  readonly why: string;
}

export interface ChoiceRequest extends KvmTrial {
  readonly wanted: 'auto' | 'kvm' | 'tcg';
  readonly cacheDir: string;
}

/**
 * KVM where guests really run with it: an open /dev/kvm proves nothing, and on nested hosts guests may crawl or QEMU
 * abort. Tried once for each boot of the host, QEMU and kernel of guests.
 * @throws RITMO_EXECUTOR_UNAVAILABLE when the operator demands KVM and it cannot be had.
 */
export async function chooseAccelerator(request: ChoiceRequest): Promise<Accelerator> {
  const { wanted } = request;
  if (wanted === 'tcg') return { accelerator: 'tcg', why: 'the operator has chosen it' };
  const why = await whyNoKvm(request);
  if (why === undefined) return { accelerator: 'kvm', why: 'tried, and guests run' };
  if (wanted === 'auto') return { accelerator: 'tcg', why: `no KVM: ${why}` };
  throw unavailable(
    `KVM cannot be had: ${why}.`,
    'Enable virtualisation in the firmware or the host above, or set `accelerator: auto`.',
  );
}

async function whyNoKvm(request: ChoiceRequest): Promise<string | undefined> {
  const open = unlessErrno(['ENOENT'], () => {
    try {
      accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EACCES') return false;
      throw error;
    }
  });
  if (open === undefined) return 'there is no /dev/kvm';
  if (!open) return '/dev/kvm may not be opened by the agent';
  const file = join(request.cacheDir, 'accelerator.json');
  const { host } = request;
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const facts = [boot, host.qemuIdentity, host.boot.id, cpus()[0]?.model ?? ''];
  const key = createHash('sha256').update(facts.join('\n')).digest('hex');
  const known = remembered(file);
  if (known?.key === key) return known.why ?? undefined;
  const why = await tryKvm(request);
  writeFileSync(file, JSON.stringify({ key, why: why ?? null }), { mode: 0o644 });
  return why;
}

function remembered(file: string): { readonly key: string; readonly why: string | null } | undefined {
  const text = unlessErrno(['ENOENT'], () => readFileSync(file, 'utf8'));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as { key: string; why: string | null };
  } catch {
    // Another agent writes it right now.
    return undefined;
  }
}
