import { auditArch } from '@ritmo/host-linux';
import { describe, expect, it } from 'vitest';
import { seccompFilter } from '../../src/confinement/seccomp.js';
import { missing, refused } from '../../src/confinement/syscalls.js';

const allow = 0x7fff0000;
const eperm = 0x00050001;
const enosys = 0x00050026;

/** What the kernel would answer: runs the bytes as classic BPF. */
function answer(bytes: Uint8Array, arch: number, number: number): number {
  const program = Buffer.from(bytes);
  let value = 0;
  for (let at = 0; at < program.length / 8; at++) {
    const code = program.readUInt16LE(at * 8);
    const operand = program.readUInt32LE(at * 8 + 4);
    const [ifTrue, ifFalse] = [program.readUInt8(at * 8 + 2), program.readUInt8(at * 8 + 3)];
    if (code === 0x20) value = operand === 4 ? arch : number;
    else if (code === 0x15) at += value === operand ? ifTrue : ifFalse;
    else if (code === 0x35) at += value >= operand ? ifTrue : ifFalse;
    else if (code === 0x06) return operand;
    else throw new Error(`instruction ${code} is unknown`);
  }
  throw new Error('the program has no end');
}

describe.each(['x64', 'arm64'] as const)('the filter of %s', (name) => {
  const filter = seccompFilter(name) as Uint8Array;
  const families = name === 'x64' ? (['x64', 'ia32'] as const) : (['arm64', 'arm'] as const);

  it.each(families)('refuses every call of the table of %s, and allows every other', (family) => {
    for (let number = 0; number < 600; number++) {
      const isMissing = missing.includes(number as never);
      const expected = refused[family].includes(number) ? eperm : isMissing ? enosys : allow;
      expect(answer(filter, auditArch[family], number), `call ${number}`).toBe(expected);
    }
  });

  it('knows no other architecture', () => {
    for (const other of Object.values(auditArch).filter(
      (arch) => !families.map((family) => auditArch[family]).includes(arch as never),
    )) {
      expect(answer(filter, other, 0)).toBe(enosys);
    }
  });
});

it('leaves no way around by the x32 numbers', () => {
  const filter = seccompFilter('x64') as Uint8Array;
  for (const number of [0, 165, 250, 512, 547]) {
    expect(answer(filter, auditArch.x64, 0x40000000 + number)).toBe(enosys);
  }
});

it('names no call twice in a table', () => {
  for (const table of Object.values(refused)) expect(new Set(table).size).toBe(table.length);
});

it('is not made for an architecture whose numbers are not known here', () => {
  expect(seccompFilter('riscv64')).toBeUndefined();
});
