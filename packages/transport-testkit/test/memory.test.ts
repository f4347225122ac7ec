import { describeTransport } from '../src/vitest.js';
import { memorySubject } from './reference/place.js';

describeTransport(memorySubject());
