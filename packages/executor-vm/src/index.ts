/** Runs Ritmo builds in throw-away virtual machines: QEMU, restored copy-on-write from a template. */
export { plugin as default, executorName, executorVersion, vmExecutor } from './plugin.js';
export { prepareVm, type PrepareRequest } from './prepare.js';
export { optionsSchema, type VmExecutorOptions } from './options.js';
