export * from './binding-table.ts';
export { duplicator, duplicatorDescriptor } from './duplicator.ts';
export { natModule } from './nat.module.ts';
export { nat, natDescriptor } from './nat.ts';
export { reverseNat, reverseNatDescriptor } from './reverse-nat.ts';
export * from './site.ts';
export { tlsClassifier, tlsClassifierDescriptor } from './tls-classifier.ts';
export * from './tokens.ts';
export { translateArriving, translateLeaving } from './translate.ts';
