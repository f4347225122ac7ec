import { fchownSync, lchownSync, lstatSync } from 'node:fs';
import { Folder, type Owner } from '@ritmo/host-linux';

/**
 * Gives the job's user all below a folder that the agent itself has put there. A file that has another name elsewhere
 * is left alone: it may be none of ours.
 */
export async function adopt(path: string, owner: Owner): Promise<void> {
  using folder = Folder.open(path);
  await adoptBelow(folder, owner);
}

async function adoptBelow(folder: Folder, owner: Owner): Promise<void> {
  if (folder.stat().uid !== owner.uid) fchownSync(folder.fd, owner.uid, owner.gid);
  const folders: Buffer[] = [];
  for await (const { name, kind } of folder.items()) {
    if (kind === 'folder') {
      folders.push(name);
      continue;
    }
    const { uid, nlink } = lstatSync(folder.at(name));
    if (uid !== owner.uid && nlink === 1) lchownSync(folder.at(name), owner.uid, owner.gid);
  }
  for (const name of folders) {
    using inner = folder.folder(name);
    await adoptBelow(inner, owner);
  }
}
