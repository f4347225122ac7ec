/** How the clocks of a process differ from those of the machine (set-clock.mjs). */
export interface ClockSetting {
  /** Added to the wall clock, in milliseconds. */
  readonly jumpMs?: number;
  /** How fast both clocks and the timers run: 0.5 is half as fast. Fixed once the process has started. */
  readonly rate?: number;
}
