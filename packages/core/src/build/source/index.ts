export { type CheckoutContext, type CheckoutPolicy, checkout } from './checkout.js';
