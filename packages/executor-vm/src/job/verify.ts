import { RitmoError } from '@ritmo/agent-core/executor';

const x64 = 62;
const machineAt = 18;

/**
 * Looks at the first bytes of the image's /bin/sh, in hex.
 * @throws RITMO_IMAGE_UNUSABLE where there is none, RITMO_IMAGE_PLATFORM where it is for another processor.
 */
export function assertShell(hex: string): void {
  const bytes = Buffer.from(hex, 'hex');
  if (bytes.length < 20 || bytes.readUInt32BE(0) !== 0x7f454c46) {
    throw new RitmoError('RITMO_IMAGE_UNUSABLE', 'The image has no /bin/sh that is a program.', {
      hint: 'Use an image with a shell; steps are scripts.',
    });
  }
  if (bytes.readUInt16LE(machineAt) === x64 && bytes[4] === 2) return;
  throw new RitmoError('RITMO_IMAGE_PLATFORM', 'The programs of the image are made for another processor than x64.', {
    hint: 'Use an image for linux/amd64.',
  });
}
