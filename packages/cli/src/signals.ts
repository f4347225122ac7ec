/** Signals that ask the program to end. */
export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

const stopSignals: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const numbers: Readonly<Record<StopSignal, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

/** Exit code of a program that a signal ended: 130 for SIGINT, 143 for SIGTERM. */
export function exitCodeOfSignal(signal: StopSignal): number {
  return 128 + numbers[signal];
}

export interface SignalOptions {
  /** Called at SIGHUP, which then ends nothing. */
  readonly reload?: () => void;
  /** Called at SIGUSR2, which then ends nothing by itself. */
  readonly detach?: () => void;
  readonly exit?: (code: number) => void;
}

/**
 * The one place that listens to signals. The first does the first step, the second the second, and so on; one more
 * than there are steps ends the program at once.
 */
export function onStopSignals(
  steps: ReadonlyArray<(signal: StopSignal) => void>,
  { reload, detach, exit = (code) => process.exit(code) }: SignalOptions = {},
): Disposable {
  let taken = 0;
  const listener = (signal: NodeJS.Signals) => {
    if (reload && signal === 'SIGHUP') {
      reload();
      return;
    }
    const known = stopSignals.find((name) => name === signal) ?? 'SIGTERM';
    const step = steps[taken];
    taken += 1;
    if (step === undefined) exit(exitCodeOfSignal(known));
    else step(known);
  };
  for (const signal of stopSignals) process.on(signal, listener);
  if (detach) process.on('SIGUSR2', detach);
  return {
    [Symbol.dispose]() {
      if (detach) process.off('SIGUSR2', detach);
      for (const signal of stopSignals) process.off(signal, listener);
    },
  };
}
