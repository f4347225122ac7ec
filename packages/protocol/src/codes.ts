/**
 * The one table of codes. Core, server, executors and the wire spell them the same; people match on the
 * code, never on the message. `retryable` is the default for an error of this code: the same request may
 * succeed later, here or on another worker.
 */
interface CodeEntry {
  readonly retryable: boolean;
  /** What it means, for the reference page of errors. */
  readonly meaning: string;
  /** What the person who reads it can do. */
  readonly hint: string;
}

const table = {
  // What people hand in
  RITMO_USAGE: {
    retryable: false,
    meaning: 'A flag, variable, config key or option is wrong.',
    hint: 'See `ritmo-agent --help`.',
  },
  RITMO_JOB_INVALID: {
    retryable: false,
    meaning: 'The job does not fit the job schema.',
    hint: 'Each problem names its place; the job file reference lists every key.',
  },
  RITMO_INSECURE_URL: {
    retryable: false,
    meaning: 'Plain http to a host that is not this machine.',
    hint: 'Use https, or say --insecure if the network between is trusted.',
  },
  RITMO_PLUGIN_INVALID: {
    retryable: false,
    meaning: 'An executor package cannot be loaded, or was written for another contract.',
    hint: 'Install a version of the plugin that serves contract 1.',
  },
  RITMO_STATE_TRANSITION: {
    retryable: false,
    meaning: 'The agent cannot do this in its present state.',
    hint: 'An agent starts once; make a new one.',
  },
  RITMO_STATE_LOCKED: {
    retryable: true,
    meaning: 'Another agent uses this state directory.',
    hint: 'Stop the other agent, or give this one a --state-dir of its own.',
  },
  RITMO_STATE_UNREADABLE: {
    retryable: false,
    meaning: 'The state directory cannot be read or written.',
    hint: 'Check the owner and mode of --state-dir.',
  },

  // Refusals before anything is made
  RITMO_ISOLATION_NOT_ENABLED: {
    retryable: true,
    meaning: 'The job names an isolation that this worker does not run.',
    hint: 'Start a worker with that --isolation, or change `isolation:` in the job.',
  },
  RITMO_EXECUTOR_UNSUPPORTED: {
    retryable: true,
    meaning: 'The job asks for something the executor does not declare.',
    hint: '`ritmo-agent doctor` lists what this host can do.',
  },
  RITMO_EXECUTOR_UNAVAILABLE: {
    retryable: true,
    meaning: 'The executor cannot work on this host now.',
    hint: '`ritmo-agent doctor` names what is missing and the command that mends it.',
  },
  RITMO_NO_ROOM: {
    retryable: true,
    meaning: "The job's limits do not fit what is free on the worker.",
    hint: 'Wait until other builds have ended, ask for less under `limits:`, or add a larger worker.',
  },
  RITMO_POLICY_REFUSED: {
    retryable: false,
    meaning: "The operator's policy does not allow what the job asks.",
    hint: 'Change the job, or ask the operator of the worker to allow it.',
  },
  RITMO_SECRET_MISSING: {
    retryable: false,
    meaning: 'A secret that the job names was not delivered.',
    hint: 'Hand it in with the job (`submit --secret NAME`), or take it out of the job.',
  },
  RITMO_SECRET_PROVIDER: {
    retryable: true,
    meaning: 'A provider of secrets on the worker could not answer.',
    hint: "The operator of the worker has to look at the provider: run its command by hand, or read its file, as the agent's user.",
  },
  RITMO_WORKSPACE_ESCAPE: {
    retryable: false,
    meaning: 'A path is absolute or leaves the workspace.',
    hint: 'Use a path relative to the workspace, without `..`.',
  },

  // Images and services
  RITMO_IMAGE_INVALID: {
    retryable: false,
    meaning: 'The text is no image reference, or the job names no image and the worker has no default.',
    hint: 'Write `image: [registry/]name[:tag][@sha256:…]`.',
  },
  RITMO_IMAGE_MISSING: {
    retryable: false,
    meaning: 'The image does not exist, or is not on the worker and may not be pulled.',
    hint: 'Check the name and the tag of `image:`, and `pull:`.',
  },
  RITMO_IMAGE_AUTH: {
    retryable: false,
    meaning: 'The registry refused the credentials, or wants some.',
    hint: 'Name a secret `user:password` in `image.auth`, or log the worker in with `docker login`.',
  },
  RITMO_IMAGE_PLATFORM: {
    retryable: true,
    meaning: 'The image is made for another system or processor than the worker has.',
    hint: 'Use an image for several platforms, or send the job to a worker that fits (`labels:`).',
  },
  RITMO_IMAGE_UNUSABLE: {
    retryable: false,
    meaning: 'No job can run in the image.',
    hint: 'The image needs a /bin/sh and a user that it knows.',
  },
  RITMO_IMAGE_PULL_FAILED: {
    retryable: true,
    meaning: 'The image could not be pulled.',
    hint: "The daemon's own words stand in the message.",
  },
  RITMO_REGISTRY_UNREACHABLE: {
    retryable: true,
    meaning: 'The registry of the image does not answer.',
    hint: "Check the registry's name, and the network between it and the worker.",
  },
  RITMO_SERVICE_FAILED: {
    retryable: false,
    meaning: 'A service of the job ended or did not become ready.',
    hint: "Its last words stand in the job's log.",
  },

  // Source
  RITMO_GIT_MISSING: {
    retryable: false,
    meaning: 'git is not installed on the worker.',
    hint: 'Install git where the agent runs.',
  },
  RITMO_SOURCE_REF: {
    retryable: false,
    meaning: 'The ref is not a branch, tag or commit of the repository.',
    hint: 'Check `source.ref`; a commit must be reachable from a branch or tag.',
  },
  RITMO_SOURCE_AUTH: {
    retryable: false,
    meaning: 'The repository refused the credentials, or wants some.',
    hint: 'Name a secret in `source.credentials` and hand it in with the job.',
  },
  RITMO_SOURCE_FAILED: {
    retryable: true,
    meaning: 'The repository could not be fetched.',
    hint: "git's own words stand in the job's log.",
  },

  // How builds end
  RITMO_STEP_FAILED: {
    retryable: false,
    meaning: 'A command of the build failed.',
    hint: "Its output stands in the job's log.",
  },
  RITMO_STEP_NOT_STARTED: {
    retryable: false,
    meaning: 'A step could not be started.',
    hint: 'Check `shell:` and `dir:` of the step.',
  },
  RITMO_STEP_TIMEOUT: {
    retryable: false,
    meaning: 'A step ran longer than its timeout.',
    hint: 'Raise `timeout:` of the step, or find out what it waits for.',
  },
  RITMO_JOB_TIMEOUT: {
    retryable: false,
    meaning: 'The job ran longer than its timeout.',
    hint: 'Raise `timeout:` of the job, or split it.',
  },
  RITMO_LIMIT_HIT: {
    retryable: false,
    meaning: 'The build ran into one of its limits.',
    hint: 'Raise the limit under `limits:`, or use less.',
  },
  RITMO_CANCELLED: { retryable: false, meaning: 'The job was cancelled.', hint: 'The reason says by whom.' },
  RITMO_ARTIFACT_MISSING: {
    retryable: false,
    meaning: 'A required artifact matched no file.',
    hint: 'Check `paths:` against what the build writes.',
  },
  RITMO_ARTIFACT_REFUSED: {
    retryable: false,
    meaning: 'An artifact path leads out of the workspace, or is not a file.',
    hint: 'Collect regular files inside the workspace.',
  },
  RITMO_ARTIFACT_LIMIT: {
    retryable: false,
    meaning: 'The artifacts are more or larger than allowed.',
    hint: 'Collect fewer files, or ask the operator to raise the limit.',
  },
  RITMO_ARTIFACT_UPLOAD: {
    retryable: true,
    meaning: 'An artifact could not be stored.',
    hint: 'Check the artifact store; the job can be run again.',
  },
  RITMO_ARTIFACT_DAMAGED: {
    retryable: true,
    meaning: 'The bytes of an artifact are not those that were stored.',
    hint: 'Fetch it again; if it comes back, look at the disk of the store.',
  },
  RITMO_CACHE_BROKEN: {
    retryable: true,
    meaning: 'A cache does not hold what it should, and was not restored.',
    hint: 'Nothing to do: the build goes on without it. If it comes back, choose another key.',
  },
  RITMO_SANDBOX_BROKEN: {
    retryable: true,
    meaning: 'The sandbox broke while the build ran.',
    hint: 'Run the job again; if it comes back, see the agent log of that time.',
  },
  RITMO_CLEANUP_FAILED: {
    retryable: true,
    meaning: 'Something of a build could not be removed.',
    hint: 'The next sweep tries again; see the agent log.',
  },
  RITMO_DISK_FULL: { retryable: true, meaning: 'The disk of the worker is full.', hint: 'Make room on the worker.' },
  RITMO_AGENT_CRASHED: { retryable: true, meaning: 'The agent died while it ran the job.', hint: 'Run the job again.' },
  RITMO_AGENT_STOPPING: {
    retryable: true,
    meaning: 'The agent was told to stop before the job ended.',
    hint: 'Run the job again.',
  },
  RITMO_LEASE_LOST: {
    retryable: true,
    meaning: 'The worker did not renew its lease in time.',
    hint: 'Look at the network between worker and API server.',
  },

  // The wire
  RITMO_SERVER_UNREACHABLE: {
    retryable: true,
    meaning: 'The API server does not answer.',
    hint: 'Check --api-server, and that the server runs.',
  },
  RITMO_UNAVAILABLE: { retryable: true, meaning: 'The server cannot serve the call now.', hint: 'Try again later.' },
  RITMO_INTERNAL: {
    retryable: true,
    meaning: 'A defect of Ritmo itself.',
    hint: 'Please report it, with the agent or server log of that time.',
  },
  RITMO_UNAUTHORIZED: {
    retryable: false,
    meaning: 'The token is missing, unknown or expired.',
    hint: 'Give the right token: --token-file of ritmo-agent, `registrationToken` of HttpTransport in code.',
  },
  RITMO_FORBIDDEN: {
    retryable: false,
    meaning: 'The token is of another role, or for something else.',
    hint: 'Use a token of the role that the call needs.',
  },
  RITMO_NOT_FOUND: {
    retryable: false,
    meaning: 'There is no such job, worker, artifact or call.',
    hint: 'Check the id; `ritmo-agent status` lists workers and jobs.',
  },
  RITMO_INVALID_REQUEST: {
    retryable: false,
    meaning: 'The request does not fit the worker API.',
    hint: 'See the API reference.',
  },
  RITMO_CONFLICT: {
    retryable: false,
    meaning: 'The state does not allow the call, or an idempotency key was used for something else.',
    hint: 'Look at the present state first.',
  },
  RITMO_FENCED: {
    retryable: false,
    meaning: 'The epoch is not the current one: another attempt holds the job.',
    hint: 'Stop the build; nothing of it is accepted any more.',
  },
  RITMO_SEALED: { retryable: false, meaning: 'The log is sealed; nothing can be added.', hint: 'Nothing to do.' },
  RITMO_LOG_GAP: { retryable: true, meaning: 'The bytes do not follow what the server has.', hint: 'Go on at `next`.' },
  RITMO_LOG_MISMATCH: {
    retryable: true,
    meaning: 'Length or sha256 of the log are not those of the seal.',
    hint: 'Go on at `next`.',
  },
  RITMO_TOO_LARGE: {
    retryable: false,
    meaning: 'The body is larger than the server takes.',
    hint: 'Send less at once.',
  },
  RITMO_RATE_LIMITED: { retryable: true, meaning: 'Too many calls.', hint: 'Wait as long as the answer says.' },
  RITMO_NAME_TAKEN: {
    retryable: false,
    meaning: 'Another installation holds this worker name.',
    hint: 'Choose another --name, or use the state directory that first registered it.',
  },
  RITMO_SUPERSEDED: {
    retryable: false,
    meaning: 'A newer agent took over this worker name.',
    hint: 'Stop this agent.',
  },
  RITMO_PROTOCOL_VERSION: {
    retryable: false,
    meaning: 'Agent and server share no protocol version.',
    hint: 'Upgrade the older of the two.',
  },
} as const satisfies Record<`RITMO_${string}`, CodeEntry>;

/** Every code there is. */
export type Code = keyof typeof table;

/** Meaning, hint and default retryability of each code. */
export const codes: Readonly<Record<Code, CodeEntry>> = table;

/** Whether a text is one of our codes; a code of a newer version is not. */
export function isCode(text: string): text is Code {
  return Object.hasOwn(table, text);
}
