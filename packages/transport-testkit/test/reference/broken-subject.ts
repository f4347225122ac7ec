import { writeMutants } from '../mutants/write.js';
import { memorySubject } from './place.js';

/** A transport that lets the last end stand. */
export default memorySubject(writeMutants.find(({ caughtBy }) => caughtBy.includes('finish.once'))?.Transport);
