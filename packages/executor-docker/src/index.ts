/** Runs Ritmo builds in Docker: one container a job, steps in milliseconds, nothing left behind. */
export { plugin as default, dockerExecutor, executorName, executorVersion } from './plugin.js';
export { type DockerExecutorOptions, optionsSchema } from './options.js';
