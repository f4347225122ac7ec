export { parseAddress, type ServerAddress } from './address.js';
export type { HttpTransportOptions } from './http-options.js';
export { HttpTransport } from './http-transport.js';
export { LocalTransport, type LocalTransportOptions } from './local-transport.js';
export type { ArtifactTransport, Lease, ReleaseCause, Transport } from './transport.js';
