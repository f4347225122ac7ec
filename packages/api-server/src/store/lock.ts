import Libsql from 'libsql';
import { ApiError } from '../errors.js';

/**
 * Keeps a second server off a data folder. The lock is the kernel's, by way of SQLite: it ends with the process,
 * however that ends. Throws RITMO_STATE_LOCKED; answers how to free it.
 */
export function lockFolder(file: string, dataDir: string): () => void {
  const db = new Libsql(file);
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if ((error as { code?: unknown }).code !== 'SQLITE_BUSY') throw error;
    throw new ApiError('RITMO_STATE_LOCKED', `Another API server uses the data folder ${dataDir}.`, {
      hint: 'Stop the other server, or give this one a data folder of its own.',
      cause: error,
    });
  }
  return () => {
    // Said in words: closing alone waits for the garbage collector.
    db.exec('ROLLBACK');
    db.close();
  };
}
