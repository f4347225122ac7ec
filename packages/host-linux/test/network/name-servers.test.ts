import { expect, it } from 'vitest';
import { parseNameServers } from '../../src/network/name-servers.js';

it('finds the addresses of name servers, and leaves out what is none', () => {
  const text = `# nameserver 192.0.2.9
search example.org
nameserver 192.0.2.1
nameserver\t2001:db8::1 
nameserver fe80::1%eth0
nameserver 192.0.2
`;
  expect(parseNameServers(text)).toEqual(['192.0.2.1', '2001:db8::1']);
});
