import { describe, expect, test } from 'vitest';
import { exitCodeOfSignal, onStopSignals } from '../src/signals.js';

describe('stop signals', () => {
  test('take one step each, and the last ends the program at once', () => {
    const events: unknown[] = [];
    using _signals = onStopSignals([(signal) => events.push(['drain', signal]), () => events.push('cancel')], {
      exit: (code) => events.push(code),
    });
    process.emit('SIGTERM', 'SIGTERM');
    process.emit('SIGINT', 'SIGINT');
    process.emit('SIGINT', 'SIGINT');
    process.emit('SIGTERM', 'SIGTERM');
    expect(events).toEqual([['drain', 'SIGTERM'], 'cancel', 130, 143]);
  });

  test('let SIGHUP reload where the program can', () => {
    const events: unknown[] = [];
    using _signals = onStopSignals([(signal) => events.push(signal)], { reload: () => events.push('reload') });
    for (const signal of ['SIGHUP', 'SIGHUP', 'SIGTERM'] as const) process.emit(signal, signal);
    expect(events).toEqual(['reload', 'reload', 'SIGTERM']);
  });

  test('let SIGUSR2 detach where the program can', () => {
    const events: unknown[] = [];
    const signals = onStopSignals([(signal) => events.push(signal)], { detach: () => events.push('detach') });
    process.emit('SIGUSR2', 'SIGUSR2');
    process.emit('SIGTERM', 'SIGTERM');
    expect(events).toEqual(['detach', 'SIGTERM']);
    signals[Symbol.dispose]();
    expect(process.listenerCount('SIGUSR2')).toBe(0);
  });

  test('are left alone afterwards', () => {
    const before = process.listenerCount('SIGTERM');
    onStopSignals([])[Symbol.dispose]();
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });

  test('have the exit codes of a shell', () => {
    expect((['SIGHUP', 'SIGINT', 'SIGTERM'] as const).map(exitCodeOfSignal)).toEqual([129, 130, 143]);
  });
});
