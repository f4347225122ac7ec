import { RitmoError } from '@ritmo/agent-core/executor';

/** Who steps run as, and where they are at home. */
export interface ImageUser {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/**
 * Looks up what an image says under USER (`name`, `uid`, `name:group`, `uid:gid`; nothing is root) in its own files.
 * @throws RITMO_IMAGE_UNUSABLE for a name that they do not know.
 */
export function imageUser(user: string, passwd: string, group: string): ImageUser {
  const [name = '', groupName] = (user === '' ? '0' : user).split(':');
  const lines = passwd.split('\n').map((line) => line.split(':'));
  const entry = lines.find(([login, , uid]) => login === name || (isNumber(name) && uid === name));
  if (entry === undefined && !isNumber(name)) throw unknown(`no user ${name}`);
  const uid = numberOf(entry?.[2] ?? name);
  const ownGid = numberOf(entry?.[3] ?? (uid === 0 ? '0' : name));
  const home = entry?.[5] ?? '';
  return {
    uid,
    gid: groupName === undefined ? ownGid : groupNumber(groupName, group),
    home:
      /^\/[\w./@+-]*$/.test(home) && home !== '/' && !home.includes('..') ? home : uid === 0 ? '/root' : '/home/build',
  };
}

function groupNumber(name: string, group: string): number {
  if (isNumber(name)) return numberOf(name);
  const entry = group.split('\n').find((line) => line.split(':')[0] === name);
  if (entry === undefined) throw unknown(`no group ${name}`);
  return numberOf(entry.split(':')[2] ?? '');
}

const isNumber = (text: string) => /^\d{1,9}$/.test(text);

function numberOf(text: string): number {
  if (!isNumber(text)) throw unknown(`no number where "${text.slice(0, 20)}" stands`);
  return Number(text);
}

const unknown = (what: string) =>
  new RitmoError('RITMO_IMAGE_UNUSABLE', `The image has ${what} in its passwd or group.`);
