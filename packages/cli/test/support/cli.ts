import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const bin = fileURLToPath(new URL('../../src/bin.ts', import.meta.url));

/** The program as a process of its own, from its sources. Nothing of the environment but what is given and PATH. */
export function startCli(args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd?: string) {
  return execa('node', ['--import', import.meta.resolve('tsx'), '--conditions=@ritmo/source', bin, ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...env },
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    cleanup: true,
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/** Runs it to its end. */
export async function cli(args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd?: string) {
  const { exitCode, stdout, stderr } = await startCli(args, env, cwd);
  return { exitCode, stdout, stderr };
}
