export { cryptoModule } from './crypto.module.ts';
export { espOpen, espOpenDescriptor } from './esp-open.ts';
export { espSeal, espSealDescriptor } from './esp-seal.ts';
