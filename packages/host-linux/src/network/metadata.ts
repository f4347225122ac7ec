import { existsSync } from 'node:fs';

/**
 * Where clouds answer to a machine with what is its own: identity, keys, set-up. Link-local addresses, and those beside them
 * of AWS and Google (IPv6), Alibaba and Azure. No isolated job may reach them.
 */
export const metadataPrefixes = {
  ipv4: ['169.254.0.0/16', '100.100.100.200/32', '168.63.129.16/32'],
  ipv6: ['fd00:ec2::254/128', 'fd20:ce::254/128'],
} as const;

/** Whether this kernel knows IPv6, has it an address or not; one that does not refuses routes and has nothing to close. */
export const kernelHasIpv6 = () => existsSync('/proc/net/if_inet6');
