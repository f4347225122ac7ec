/** Options of an API server whose leases run out in the time of a test, in milliseconds. */
export const shortLeases = {
  leaseTtlMs: 8_000,
  leaseSlackMs: 300,
  heartbeatMs: 500,
  sweepMs: 100,
  acceptWithinMs: 8_000,
};
