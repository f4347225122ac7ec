import { resolve } from 'node:path';
import { silentLogger } from '@ritmo/agent-core';
import { RitmoError } from '@ritmo/agent-core/executor';
import type { prepareVm } from '@ritmo/executor-vm';
import { exitCodes } from '../exit-codes.js';
import { importPackage } from '../import-package.js';
import { executorOptions } from '../isolation/executor-options.js';
import type { vmKeys } from '../options/groups.js';
import type { Context } from './command.js';

/** What is used of the package, which may not be installed. */
interface Vm {
  readonly prepareVm: typeof prepareVm;
}

/** `vm prepare`: makes what the first job in a machine would have to wait for, and says what it did. */
export async function vm({ settings, args, io }: Context<(typeof vmKeys)[number]>): Promise<number> {
  const [what, kernelPackage] = args;
  if (what !== 'prepare')
    throw new RitmoError('RITMO_USAGE', `There is no \`vm ${what}\`.`, { hint: 'Say `ritmo-agent vm prepare`.' });
  const loaded = (await importPackage('@ritmo/executor-vm')) as Vm | undefined;
  if (loaded === undefined)
    throw new RitmoError('RITMO_PLUGIN_INVALID', 'The package @ritmo/executor-vm is not installed.', {
      hint: 'Install it beside ritmo-agent (npm install @ritmo/executor-vm).',
    });
  await loaded.prepareVm({
    options: executorOptions(settings)('vm') as object,
    ...(kernelPackage === undefined ? {} : { kernelPackage: resolve(kernelPackage) }),
    log: silentLogger,
    say: (sentence) => io.out.write(`${sentence}\n`),
  });
  return exitCodes.ok;
}
