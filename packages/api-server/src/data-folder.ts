import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { ApiError } from './errors.js';
import { newToken } from './store/tokens.js';

/** Where everything of one server lies. */
export interface DataFolder {
  readonly lock: string;
  readonly database: string;
  readonly secretKey: string;
  readonly userToken: string;
  readonly registrationToken: string;
  readonly logs: string;
  readonly artifacts: string;
}

/** Makes the folder, for its owner alone; throws RITMO_STATE_UNREADABLE. */
export function openDataFolder(dataDir: string): DataFolder {
  const folder: DataFolder = {
    lock: join(dataDir, 'server.lock'),
    database: join(dataDir, 'ritmo.db'),
    secretKey: join(dataDir, 'secrets.key'),
    userToken: join(dataDir, 'user.token'),
    registrationToken: join(dataDir, 'registration.token'),
    logs: join(dataDir, 'logs'),
    artifacts: join(dataDir, 'artifacts'),
  };
  try {
    claim(dataDir, folder);
    for (const path of [folder.logs, folder.artifacts]) mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError('RITMO_STATE_UNREADABLE', `The data folder ${dataDir} cannot be made or opened.`, {
      hint: 'Check the path, and the owner and mode of the folder.',
      cause: error,
    });
  }
  return folder;
}

/** For its owner alone. A folder of somebody else's keeps its mode, and is refused where others may look into it. */
function claim(dataDir: string, { lock, logs, artifacts }: DataFolder): void {
  if (mkdirSync(dataDir, { recursive: true, mode: 0o700 }) !== undefined) return;
  const names = readdirSync(dataDir).filter((name) => name !== 'lost+found');
  const begun = [logs, artifacts].map((path) => basename(path));
  if (!names.includes(basename(lock)) && names.some((name) => !begun.includes(name))) {
    throw new ApiError('RITMO_STATE_UNREADABLE', `${dataDir} holds other things than the data of a server.`, {
      hint: 'Name a folder with --data-dir that is empty, or is not there yet.',
    });
  }
  const { uid, mode } = statSync(dataDir);
  if (uid === process.getuid?.()) chmodSync(dataDir, 0o700);
  else if ((mode & 0o007) !== 0) {
    throw new ApiError('RITMO_STATE_UNREADABLE', `Others may look into ${dataDir}, where tokens and logs are to lie.`, {
      hint: `chmod o= ${dataDir}`,
    });
  }
}

/** The master key of the secrets, made at the first start. */
export function readSecretKey(folder: DataFolder): Uint8Array {
  const key = Buffer.from(
    readOrCreate(folder.secretKey, () => randomBytes(32).toString('base64')),
    'base64',
  );
  if (key.length !== 32)
    throw new ApiError('RITMO_STATE_UNREADABLE', `${folder.secretKey} is not a key of 32 bytes.`, {
      hint: 'Put the key file of this data folder back; without it the secrets of waiting jobs are lost.',
    });
  return key;
}

/** User and registration token, made at the first start. */
export function readTokens(folder: DataFolder): { readonly user: string; readonly registration: string } {
  return {
    user: readOrCreate(folder.userToken, () => newToken('user')),
    registration: readOrCreate(folder.registrationToken, () => newToken('registration')),
  };
}

function readOrCreate(path: string, make: () => string): string {
  try {
    chmodSync(path, 0o600);
    const text = readFileSync(path, 'utf8').trim();
    if (text !== '') return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const text = make();
  const file = openSync(path, 'w', 0o600);
  try {
    writeSync(file, `${text}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return text;
}
