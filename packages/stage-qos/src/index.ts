export { codePoints, dscpMarker, dscpMarkerDescriptor } from './dscp-marker.ts';
export { qosModule } from './qos.module.ts';
