/** For whom a secret is asked. */
export interface SecretRequest {
  /** Name of the secret, as the job writes it. */
  readonly name: string;
  /** Id of the job that names it. */
  readonly jobId: string;
  /** Its name. */
  readonly jobName: string;
}

/** A place of the operator's where values of secrets are had. */
export interface SecretProvider {
  /** For errors and logs: `environment`, `folder /etc/ci-secrets`. */
  readonly name: string;
  /** The value, or undefined where it has none of that name. Rejects where it cannot say. */
  get(request: SecretRequest, signal: AbortSignal): Promise<string | undefined>;
}

/** What an operator gives to jobs that name it, beside what comes with them. */
export interface SecretSource {
  /** Asked in their order; the first that has a value gives it. */
  readonly providers: readonly SecretProvider[];
  /** Names that jobs may have; `*` stands for any characters. What is not here is never asked for. */
  readonly allow: readonly string[];
}
