import type { Transport } from '@ritmo/agent-core';

/** What is checked: a transport, by a place that the kit fills and looks at without asking the transport. */
export interface TransportSubject {
  /** Shown in the report. */
  readonly name: string;
  /** What the transport need not be able to do, and is. */
  readonly abilities: TransportAbilities;
  /** Makes an empty place; called once for each case, and disposed after it. */
  open(): Promise<TransportPlace>;
  /** Multiplies every bound of time; 1 by default. */
  readonly timeScale?: number;
}

/** What a transport need not be able to do. Cases that stand on what it is not able to do are left out, with a word. */
export interface TransportAbilities {
  /** Holds more than one job, and takes one while a claim waits for it. */
  readonly manyJobs: boolean;
  /** Several workers, each with a transport of its own, are connected at once. */
  readonly manyWorkers: boolean;
  /** Delivers the values of secrets that a job names. */
  readonly secrets: boolean;
  /** A worker that is back under its name takes up the leases that it had: `adopt`. */
  readonly adoption: boolean;
  /** A job that was handed back is handed out again, as a new attempt. */
  readonly again: boolean;
}

/** A job of the kit: no more than this, so that it reads the same as JSON, in a job file and on the wire. */
export interface KitJob {
  /** As people see it. */
  readonly name: string;
  /** Never run: the kit is the worker. */
  readonly steps: ReadonlyArray<{ readonly run: string }>;
  /** Names of secrets that come with it. */
  readonly secrets: ReadonlyArray<{ readonly name: string }>;
  /** Handed out again when its worker is lost. */
  readonly onLost: 'requeue';
  /** How often it may be handed out. */
  readonly attempts: number;
}

/** How a job ended, as those who look at the place see it. */
export interface Ending {
  /** `succeeded`, `failed`, `cancelled`, `timed_out` or `errored`. */
  readonly outcome: string;
  /** Of the step that decided. */
  readonly exitCode?: number | undefined;
  /** Code of what went wrong. */
  readonly code?: string | undefined;
}

/** Where jobs come from and results go: what stands on the other side of the transport. */
export interface TransportPlace extends AsyncDisposable {
  /** A new transport to this place: of another worker, or of one that was there before, as after its restart. */
  connect(): Transport | Promise<Transport>;
  /** Hands a job in, and answers its id. Where there is only one job, it is called before `connect`. */
  submit(job: KitJob, secrets: Readonly<Record<string, string>>): Promise<string>;
  /** Asks for the end of a job, as a person does. */
  cancel(jobId: string, graceMs: number): Promise<void>;
  /** The log that arrived of one attempt; empty where none did. */
  log(jobId: string, epoch: number): Promise<Uint8Array>;
  /** How the job ended; nothing while it has not. */
  ended(jobId: string): Promise<Ending | undefined>;
  /** Makes the lease of a running job run out, as when its worker is lost; it is then handed out again. */
  lose?(jobId: string): Promise<void>;
  /** Artifacts that are stored for an attempt, by path. Present exactly where its transports have `artifacts`. */
  files?(jobId: string, epoch: number): Promise<ReadonlyMap<string, Uint8Array>>;
  /** The next call that a transport of this place makes does its work, and the first answer to it is lost. */
  loseAnswer?(): void;
}
