export { type CheckoutContext, checkout } from './checkout.js';
