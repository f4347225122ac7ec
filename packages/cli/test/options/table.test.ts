import { describe, expect, test } from 'vitest';
import { commands } from '../../src/commands/index.js';
import { configSchema } from '../../src/options/config-file.js';
import type { Option } from '../../src/options/kinds.js';
import { fileKeys, flagOf, type OptionKey, options, variableOf } from '../../src/options/table.js';
import { readCommandLine } from '../../src/program.js';
import { memoryIo } from '../support/output.js';

const keys = Object.keys(options) as OptionKey[];

function helpOf(command: string): string {
  const io = memoryIo();
  readCommandLine([command, '--help'], commands, '1.2.3', io);
  return io.out.text.replaceAll(/\s+/g, ' ');
}

describe('flags, variables and config keys', () => {
  test('are all there for each setting, and each stands for one setting only', () => {
    expect(new Set(keys.map(flagOf)).size).toBe(keys.length);
    expect(new Set(keys.map(variableOf)).size).toBe(keys.length);
    expect(Object.keys(configSchema.shape).toSorted()).toEqual(keys.filter((key) => key !== 'config').toSorted());
    expect(fileKeys.length).toBe(keys.length - 1);
  });

  test('are spelled alike', () => {
    expect(flagOf('maxConcurrent')).toBe('max-concurrent');
    expect(variableOf('maxConcurrent')).toBe('RITMO_MAX_CONCURRENT');
    for (const key of keys) {
      expect(variableOf(key)).toMatch(/^RITMO_[A-Z]+(_[A-Z]+)*$/);
      expect(flagOf(key)).toMatch(/^[a-z]+(-[a-z]+)*$/);
      const option: Option = options[key];
      const inWords = key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      if (option.flag === undefined) expect(flagOf(key)).toBe(inWords);
    }
  });

  test('have the names of the mission', () => {
    const flags = commands[0].options.map(flagOf);
    for (const flag of [
      'api-server',
      'name',
      'max-concurrent',
      'label',
      'log-level',
      'isolation',
      'token-file',
      'state-dir',
      'config',
    ])
      expect(flags).toContain(flag);
  });

  test('are not those that every build is given', () => {
    const given = ['JOB_ID', 'JOB_NAME', 'ATTEMPT', 'STEP', 'WORKER', 'WORKSPACE'].map((name) => `RITMO_${name}`);
    // A Kubernetes service named `ritmo` sets these in every pod.
    const cluster = ['RITMO_PORT', 'RITMO_SERVICE_HOST', 'RITMO_SERVICE_PORT'];
    for (const key of keys) expect([...given, ...cluster]).not.toContain(variableOf(key));
  });

  test('belong to some command each', () => {
    const used = new Set(commands.flatMap((command) => [...command.options]));
    expect(keys.filter((key) => !used.has(key))).toEqual([]);
  });

  test.each(commands.map(({ name }) => name))('stand in the help of %s with what they do', (name) => {
    const help = helpOf(name);
    const command = commands.find((each) => each.name === name);
    for (const key of command?.options ?? []) {
      const option: Option = options[key];
      expect(help).toContain(`--${flagOf(key)}${option.value === undefined ? '' : ` <${option.value}>`}`);
      expect(help).toContain(`[${variableOf(key)}]`);
      expect(help).toContain(option.about);
    }
  });

  test('give the defaults that the help tells', async () => {
    for (const key of keys) {
      const option: Option = options[key];
      const value: unknown = option.schema.parse(undefined);
      if (typeof value === 'string' || typeof value === 'number') {
        const told = key === 'logAttempt' ? 'the last' : String(value);
        expect(option.defaultText).toBe(told);
      }
    }
  });
});
