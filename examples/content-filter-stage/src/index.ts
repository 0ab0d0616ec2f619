export { contentFilter, contentFilterDescriptor } from './content-filter.ts';
export { contentFilterModule } from './content-filter.module.ts';
