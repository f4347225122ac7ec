import { memorySubject } from './place.js';

/** The reference as a module that the command line takes. */
export default memorySubject();
