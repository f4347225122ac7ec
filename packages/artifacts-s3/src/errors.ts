import { RitmoError } from '@ritmo/agent-core/executor';

/** What an S3 server answered, or why nothing came, in a sentence; no key, address or credential is in it. */
export function s3Error(error: unknown, bucket: string): RitmoError {
  if (error instanceof RitmoError) return error;
  const name = nameOf(error);
  const known = explained(bucket)[name];
  const status = statusOf(error);
  if (known) {
    const [message, hint, retryable] = known;
    return new RitmoError('RITMO_ARTIFACT_UPLOAD', message, { hint, retryable, cause: error });
  }
  if (status === undefined && name === 'TimeoutError') {
    return new RitmoError('RITMO_ARTIFACT_UPLOAD', 'The S3 server takes connections, and answers nothing.', {
      hint: 'Check that the server is well, and nothing on the way to it stalls; a slow one needs a longer silence=.',
      retryable: true,
      cause: error,
    });
  }
  if (status === undefined) {
    return new RitmoError('RITMO_ARTIFACT_UPLOAD', `The S3 server does not answer: ${reasonOf(error, name)}.`, {
      hint: 'Check the endpoint of the store, and that the server runs.',
      retryable: true,
      cause: error,
    });
  }
  if (status === 501) {
    return new RitmoError('RITMO_ARTIFACT_UPLOAD', `The S3 server does not know what it is asked for (501, ${name}).`, {
      hint: 'Leave out tags=, encryption=, kmsKeyId= or storageClass= in the address, or use a newer server.',
      retryable: false,
      cause: error,
    });
  }
  const retryable = status >= 500 || status === 429 || status === 408;
  return new RitmoError('RITMO_ARTIFACT_UPLOAD', `The S3 server answered ${status} (${name}).`, {
    retryable,
    ...(retryable ? {} : { hint: 'Check the address, the credentials and the policy of the bucket.' }),
    cause: error,
  });
}

/** Whether the server says that the object, or the upload, is not there. */
export function isMissing(error: unknown): boolean {
  return ['NotFound', 'NoSuchKey', 'NoSuchUpload'].includes(nameOf(error)) || statusOf(error) === 404;
}

/** Whether the server says that the object is another one than was meant. */
export function isOther(error: unknown): boolean {
  return statusOf(error) === 412;
}

type Explained = readonly [message: string, hint: string, retryable: boolean];

function explained(bucket: string): Readonly<Record<string, Explained | undefined>> {
  const credentials: Explained = [
    `The S3 server refuses the credentials for the bucket ${bucket}.`,
    'Check the access key and its secret, the name of the bucket, and that the policy allows s3:PutObject and s3:AbortMultipartUpload.',
    false,
  ];
  const missing: Explained = [
    'There are no credentials for the S3 server.',
    'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file with credentialsFile=.',
    false,
  ];
  return {
    NoSuchBucket: [`The bucket ${bucket} is not there.`, 'Make the bucket, or correct its name.', false],
    AccessDenied: credentials,
    Forbidden: credentials,
    InvalidAccessKeyId: credentials,
    SignatureDoesNotMatch: credentials,
    ExpiredToken: ['The credentials for the S3 server have expired.', 'Renew them.', true],
    CredentialsProviderError: missing,
    RequestTimeTooSkewed: [
      'The clocks of this machine and of the S3 server differ by more than 15 minutes.',
      'Set the clock of the machine that is wrong (timedatectl set-ntp true).',
      true,
    ],
    SlowDown: [
      'The S3 server takes no more requests now (SlowDown).',
      'Use a smaller parallel=, or a longer prefix.',
      true,
    ],
    InternalError: [
      'The S3 server failed, and does not say at what (InternalError).',
      'Look into its log, and at its disk: some servers say no more when it is full.',
      true,
    ],
    XMinioStorageFull: ['The disk of the S3 server is full.', 'Make room on the S3 server.', true],
    QuotaExceeded: [`The quota of the bucket ${bucket} is used up.`, 'Make room in the bucket.', true],
    PermanentRedirect: [`The bucket ${bucket} is in another region.`, 'Name its region with region=.', false],
    AuthorizationHeaderMalformed: [
      `The bucket ${bucket} is in another region.`,
      'Name its region with region=.',
      false,
    ],
    EntityTooLarge: ['The file is larger than the S3 server takes.', 'Collect smaller files.', false],
  };
}

function nameOf(error: unknown): string {
  const name = error instanceof Error ? error.name : '';
  return /^[A-Za-z]{1,64}$/.test(name) ? name : 'no code';
}

function statusOf(error: unknown): number | undefined {
  const status = (error as { $metadata?: { httpStatusCode?: unknown } } | undefined)?.$metadata?.httpStatusCode;
  return typeof status === 'number' ? status : undefined;
}

function reasonOf(error: unknown, name: string): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code ?? name;
}
