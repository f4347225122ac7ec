/** Runs Ritmo builds as sandboxed processes: bubblewrap and a user of the job's own, or bare by name. */
export { plugin as default, executorName, executorVersion, processExecutor } from './plugin.js';
export { optionsSchema, type ProcessExecutorOptions } from './options.js';
