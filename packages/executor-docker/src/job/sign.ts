import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unlessErrno } from '@ritmo/host-linux';
import { looksWithoutSign } from '../supervisor/script.js';

export interface SignSettings {
  /** Folder that the container sees as the supervisor's. */
  readonly folder: string;
  readonly lostAfterMs?: number | undefined;
}

/** Seconds between two looks of a container for a sign of the agent; 0 where it does not look. */
export function signSeconds({ lostAfterMs }: Pick<SignSettings, 'lostAfterMs'>): number {
  return lostAfterMs === undefined ? 0 : Math.max(1, Math.floor(lostAfterMs / 1000 / (looksWithoutSign + 1)));
}

/** Lets a container see that the agent runs, until disposed. */
export function giveSign(settings: SignSettings): Disposable {
  const seconds = signSeconds(settings);
  if (seconds === 0) return { [Symbol.dispose]: () => undefined };
  const give = () =>
    unlessErrno(['ENOENT'], () =>
      writeFileSync(join(settings.folder, 'sign'), `${process.pid}-${performance.now()}\n`, { mode: 0o644 }),
    );
  give();
  const timer = setInterval(give, seconds * 500);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
