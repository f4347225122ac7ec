export { exitCodes } from './exit-codes.js';
export { type Io, type Output, outputTo } from './io.js';
export { main } from './main.js';
export { version } from './version.js';
