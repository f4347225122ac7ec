import { displayText, labels, shortName } from '@ritmo/protocol';
import { z } from 'zod';
import {
  bindings,
  choice,
  count,
  duration,
  folders,
  hostPort,
  integer,
  list,
  oneOf,
  type Option,
  optionsByName,
  pairs,
  size,
  sizeOrNone,
  text,
  textOr,
  toggle,
} from './kinds.js';

/** Every setting of every command: the one source of flags, variables, keys of the config file, and help. */
export const options = {
  config: text({ value: 'FILE', about: 'YAML file with settings; flags and variables win over it' }),
  apiServer: textOr('localhost:8080', {
    value: 'ADDRESS',
    about: 'the API server; without a scheme http on this machine, https elsewhere',
  }),
  tokenFile: text({
    value: 'FILE',
    about: 'file with the token for the API server',
    defaultText: 'that of an API server on this machine',
  }),
  insecure: toggle({ about: 'allow plain http to another machine' }),
  caFile: text({ value: 'FILE', about: 'certificates (PEM) to trust beside the usual ones' }),
  certFile: text({ value: 'FILE', about: 'client certificate (PEM)' }),
  keyFile: text({ value: 'FILE', about: 'key of the client certificate (PEM)' }),
  name: text({ about: 'name of this worker', defaultText: 'made up once and kept' }, displayText(128)),
  maxConcurrent: integer({ min: 1, max: 10_000, fallback: 2 }, { about: 'builds at once' }),
  labels: pairs(labels, { flag: 'label', value: 'KEY=VALUE', about: 'label that jobs can ask for; repeatable' }),
  logLevel: oneOf(['debug', 'info', 'warn', 'error'], {
    about: 'how much the agent says of itself, on stderr',
    defaultText: 'info; nothing for exec',
  }),
  isolation: list({
    value: 'NAME',
    about: 'executor for the builds: docker, process, vm, a package or ./file.js; repeatable, the first is the default',
    words: ['docker', 'process', 'vm'],
    defaultText: 'docker',
  }),
  processIsolation: choice(['sandbox', 'bare'], 'sandbox', {
    about: 'how the process executor confines builds; `bare` does so hardly at all',
  }),
  executorOptions: optionsByName({ about: 'options of an executor, by its name; repeatable' }),
  stateDir: text({
    value: 'DIR',
    about: 'what the agent keeps',
    defaultText: '/var/lib/ritmo-agent as root, else below XDG_STATE_HOME',
  }),
  drainTimeout: duration({
    about: 'how long builds may go on after the first stop signal',
    defaultText: 'without end',
  }),
  artifactStore: textOr('api', {
    value: 'api|DIR|s3://BUCKET',
    about: 'where artifacts go: the API server, a folder, or a bucket (?endpoint=URL for MinIO)',
  }),
  cacheStore: text({
    value: 'DIR|s3://BUCKET|none',
    about: 'where the caches of jobs are kept',
    defaultText: 'a folder in the state directory',
  }),
  cacheMaxSize: size({ about: 'most that all caches hold', defaultText: '10GiB in a folder, without end in a bucket' }),
  cacheMaxAge: duration({ about: 'caches that were not used for so long are removed', defaultText: '30d' }),
  cacheMinFree: size({ about: 'room on the disk that caches leave free', defaultText: '2GiB' }),
  maxJobs: count({ about: 'end after so many jobs', defaultText: 'without end' }),
  exitAfterIdle: duration({ about: 'end when no build ran for so long', defaultText: 'never' }),
  healthAddr: hostPort({
    about: 'where the worker answers /healthz, /readyz, /status and /metrics; a port alone is of this machine',
    defaultText: 'nowhere',
  }),
  artifactBucket: text({
    value: 's3://BUCKET',
    about: 'bucket that workers send artifacts to by presigned URLs, instead of to the API server',
  }),
  allowHostNetwork: toggle({ about: 'let jobs ask for `network: host` (docker, process)' }),
  allowLocalSources: toggle({ about: 'let jobs check out paths and file:// URLs of this host' }),
  bind: bindings({
    value: 'PATH[:INSIDE][:rw]',
    about:
      'folder of this host that builds may read, with `:rw` also write, at the same place or at INSIDE (docker, process); repeatable',
  }),
  toolPath: folders({
    value: 'DIR',
    about: 'folder of this host that builds may read and that leads their PATH (process); repeatable',
  }),
  maxLogSize: size({ about: 'most of the log of one build that is kept', defaultText: '256MiB' }, 1024 ** 2),
  minFreeDisk: sizeOrNone({
    about:
      'what is kept free on the disk of --state-dir, 0 for nothing: while less is, logs of builds are cut as at --max-log-size',
    defaultText: '1GiB',
  }),
  project: text(
    {
      value: 'NAME',
      about: 'project of the job: its jobs share caches, and files that one has stored are not sent by another',
      defaultText: 'default',
    },
    shortName,
  ),
  secret: list({ value: 'NAME', about: 'secret for the job, its value from the variable of that name; repeatable' }),
  secretFile: pairs(z.record(z.string(), z.string().min(1)), {
    value: 'NAME=PATH',
    about: 'secret for the job, its value from a file; repeatable',
  }),
  secretProvider: list({
    value: 'KIND[:PATH]',
    about:
      'where this worker has secrets that a job names and that did not come with it: `environment`, `folder:DIR` ' +
      '(a file for each), `command:PROGRAM` (run with the name, prints the value); repeatable, asked in this order',
  }),
  allowSecret: list(
    {
      value: 'NAME',
      about: 'secret of --secret-provider that jobs may have; `*` stands for any characters; repeatable',
      defaultText: 'none',
    },
    z.string().regex(/^[A-Za-z0-9_*]+$/, 'must be letters, digits, _ and *'),
  ),
  artifactsDir: text({ value: 'DIR', about: 'where the artifacts of the job are put', defaultText: 'ritmo-artifacts' }),
  follow: toggle({ about: 'print the log until the job has ended' }),
  json: toggle({ about: 'print JSON for programs' }),
  // Builds have a RITMO_ATTEMPT of their own, and a Kubernetes service named `ritmo` sets RITMO_PORT in each pod.
  logAttempt: integer(
    { min: 0, max: 1_000_000, fallback: 0 },
    { flag: 'attempt', about: 'which attempt of the job', defaultText: 'the last' },
  ),
  dataDir: text({
    value: 'DIR',
    about: 'what the API server keeps',
    defaultText: '/var/lib/ritmo-api-server as root, else below XDG_DATA_HOME',
  }),
  listenHost: textOr('localhost', { flag: 'host', value: 'HOST', about: 'address that the API server listens on' }),
  hostName: list(
    { value: 'NAME', about: 'name under which the API server may be called from elsewhere; repeatable' },
    z
      .string()
      .regex(
        /^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])$/,
        'must be the name of a host, without scheme, port and path',
      ),
  ),
  listenPort: integer(
    { min: 0, max: 65_535, fallback: 8080 },
    { flag: 'port', value: 'PORT', about: 'its port; 0 for any that is free' },
  ),
} satisfies Record<string, Option>;

export type OptionKey = keyof typeof options;

/** The values of some settings, as their schemas give them. */
export type Settings<Key extends OptionKey> = { readonly [K in Key]: z.output<(typeof options)[K]['schema']> };

const words = (key: string) => key.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).split(' ');

/** `max-concurrent` of `maxConcurrent`. */
export function flagOf(key: OptionKey): string {
  const option: Option = options[key];
  return option.flag ?? words(key).join('-');
}

/** `RITMO_MAX_CONCURRENT` of `maxConcurrent`. */
export function variableOf(key: OptionKey): string {
  return `RITMO_${words(key).join('_').toUpperCase()}`;
}

/** Keys that a config file may hold: all but the one that names it. */
export const fileKeys = Object.keys(options).filter((key): key is Exclude<OptionKey, 'config'> => key !== 'config');
