import type { Owner } from '@ritmo/host-linux';

/** The text of a file of the image, or undefined where there is none. */
export type ReadImageFile = (path: string) => Promise<string | undefined>;

/**
 * Who steps of an image run as: its USER, found in the image's own passwd and group as the daemon does it. Undefined
 * where the image names a user that it does not have.
 */
export async function imageUser(user: string, read: ReadImageFile): Promise<Owner | undefined> {
  const [name = '', group] = user.split(':', 2);
  if (name === '' || name === 'root' || (name === '0' && group === undefined)) {
    return group === undefined || group === '0' || group === 'root' ? { uid: 0, gid: 0 } : withGroup(0, group, read);
  }
  if (isNumber(name) && group !== undefined && isNumber(group)) return { uid: Number(name), gid: Number(group) };
  const entry = (await lines(read, '/etc/passwd')).find((fields) =>
    isNumber(name) ? fields[2] === name : fields[0] === name,
  );
  if (entry === undefined && !isNumber(name)) return undefined;
  const uid = Number(entry?.[2] ?? name);
  if (group !== undefined) return await withGroup(uid, group, read);
  return { uid, gid: Number(entry?.[3] ?? 0) };
}

async function withGroup(uid: number, group: string, read: ReadImageFile): Promise<Owner | undefined> {
  if (isNumber(group)) return { uid, gid: Number(group) };
  const entry = (await lines(read, '/etc/group')).find(([name]) => name === group);
  return entry === undefined ? undefined : { uid, gid: Number(entry[2]) };
}

async function lines(read: ReadImageFile, path: string): Promise<string[][]> {
  return ((await read(path)) ?? '').split('\n').map((line) => line.split(':'));
}

const isNumber = (text: string) => /^\d{1,10}$/.test(text);
