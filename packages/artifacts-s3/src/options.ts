import { RitmoError } from '@ritmo/agent-core/executor';
import { z } from 'zod';

const mebibyte = 1024 ** 2;

const schema = z.strictObject({
  bucket: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/, 'is not the name of a bucket'),
  prefix: z
    .string()
    .max(512)
    .refine((prefix) => !prefix.split('/').includes('..'), 'must not hold `..`')
    .default(''),
  key: z
    .string()
    .max(512)
    .refine(
      (key) => ['{job}', '{attempt}', '{name}', '{path}'].every((word) => key.includes(word)),
      'must hold {job}, {attempt}, {name} and {path}, or files would replace each other',
    )
    .default('{job}/{attempt}/{name}/{path}'),
  endpoint: z.url({ protocol: /^https?$/, error: 'must be a URL such as http://minio:9000' }).optional(),
  region: z.string().min(1).optional(),
  pathStyle: z.boolean().optional(),
  credentials: z
    .strictObject({ accessKeyId: z.string().min(1), secretAccessKey: z.string().min(1), sessionToken: z.string() })
    .partial({ sessionToken: true })
    .optional(),
  credentialsFile: z.string().min(1).optional(),
  profile: z.string().min(1).optional(),
  encryption: z.enum(['AES256', 'aws:kms']).optional(),
  kmsKeyId: z.string().min(1).optional(),
  storageClass: z.string().min(1).optional(),
  tags: z.boolean().default(false),
  verify: z.boolean().default(false),
  parallel: z.int().min(1).max(64).default(16),
  partSize: z
    .int()
    .min(5 * mebibyte)
    .max(16 * mebibyte)
    .default(8 * mebibyte),
  attempts: z.int().min(1).max(100).default(8),
  silence: z.int().min(100).max(3_600_000).default(60_000),
});

/** Where the bucket is, and how things are put there. */
export interface S3Options {
  /** Its name alone, not an address. */
  readonly bucket: string;
  /** Leads every key; none by default. */
  readonly prefix?: string;
  /** Key below the prefix: `{job}/{attempt}/{name}/{path}` by default, and it must hold all four. */
  readonly key?: string;
  /** URL of a server that is not AWS: MinIO, Ceph. */
  readonly endpoint?: string;
  /** From the usual chain of AWS where absent; `us-east-1` with an endpoint. */
  readonly region?: string;
  /** Bucket in the path instead of the host name. Default: with an endpoint. */
  readonly pathStyle?: boolean;
  /** The usual chain of AWS (variables, files, instance) where absent. */
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
  /** File in the form of `~/.aws/credentials`. */
  readonly credentialsFile?: string;
  /** Profile of that file, or of the usual ones. */
  readonly profile?: string;
  /** Server-side encryption. */
  readonly encryption?: 'AES256' | 'aws:kms';
  /** Key of KMS, with the encryption `aws:kms` alone. Default: that of the bucket. */
  readonly kmsKeyId?: string;
  /** As `STANDARD_IA`. Default: that of the bucket. */
  readonly storageClass?: string;
  /** Tags objects with `ritmo-expire-days`, for a lifecycle rule of the bucket. Default: off; some servers refuse tags. */
  readonly tags?: boolean;
  /** Reads each file once from the bucket after it was stored, for servers that check no bytes. Default: off. */
  readonly verify?: boolean;
  /** Requests at once, over files and parts, 1 to 64. Default: 16. */
  readonly parallel?: number;
  /** Bytes of a part, 5 to 16 MiB; more for files of over 10,000 parts. Default: 8 MiB. */
  readonly partSize?: number;
  /** Tries of a request that may be repeated. Default: 8. */
  readonly attempts?: number;
  /** Milliseconds without a byte after which a request counts as lost. Default: 60,000. */
  readonly silence?: number;
}

export type S3Settings = z.output<typeof schema>;

/** Options with their defaults. Throws RITMO_USAGE that names everything wrong. */
export function settingsOf(options: S3Options): S3Settings {
  const parsed = schema.safeParse(options);
  const problems = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${issue.path.map(String).join('.') || 'options'}: ${issue.message}`);
  if (parsed.success && parsed.data.credentials && parsed.data.credentialsFile !== undefined)
    problems.push('credentials: stand in the options and in a file');
  if (parsed.success && parsed.data.kmsKeyId !== undefined && parsed.data.encryption !== 'aws:kms')
    problems.push('kmsKeyId: needs the encryption aws:kms');
  if (!parsed.success || problems.length > 0)
    throw new RitmoError('RITMO_USAGE', `The S3 store cannot be used: ${problems.join('; ')}.`, { hint });
  return parsed.data;
}

const hint =
  's3://BUCKET/PREFIX, with ?endpoint=, region=, pathStyle=, credentialsFile=, profile=, encryption=, kmsKeyId=, storageClass=, tags=, verify=, key=, parallel=, partSize=, attempts= or silence= where needed.';

/** `s3://bucket/prefix?endpoint=http://127.0.0.1:9000&region=eu-west-1`. Throws RITMO_USAGE. */
export function parseS3Address(text: string): S3Options {
  const match = /^s3:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(text);
  if (!match) throw new RitmoError('RITMO_USAGE', 'The address of the S3 store cannot be read.', { hint });
  const [, bucket = '', prefix = '', query = ''] = match;
  const given: Record<string, unknown> = { bucket };
  const folder = decode(prefix).replace(/\/+$/, '');
  if (folder !== '') given['prefix'] = folder;
  for (const [name, value] of new URLSearchParams(query)) {
    // Credentials in an address end up in process lists and logs.
    if (name === 'credentials' || name === 'bucket' || name === 'prefix' || name in given)
      throw new RitmoError('RITMO_USAGE', `The address of the S3 store has no place for ${name}.`, { hint });
    given[name] = valueOf(name, value);
  }
  settingsOf(given as unknown as S3Options);
  return given as unknown as S3Options;
}

function valueOf(name: string, value: string): unknown {
  if (['pathStyle', 'tags', 'verify'].includes(name))
    return value === 'true' ? true : value === 'false' ? false : value;
  if (['parallel', 'partSize', 'attempts', 'silence'].includes(name))
    return /^\d{1,12}$/.test(value) ? Number(value) : value;
  return value;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
