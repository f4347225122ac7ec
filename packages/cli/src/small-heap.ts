import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's nursery small. While modules load it grows to 16 MiB twice over and stays so for as long as the process
 * lives: a third of the memory of an idle worker. What passes through a worker are buffers, which do not live there.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
