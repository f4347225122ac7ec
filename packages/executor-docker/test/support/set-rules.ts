import { BridgeRules } from '../../src/network/rules.js';

/** Sets the rules of an installation in the network namespace that it is run in. */
const [mark = '', ...names] = process.argv.slice(2);
await new BridgeRules(mark, names).set();
