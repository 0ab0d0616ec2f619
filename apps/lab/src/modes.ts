/**
 * What protects the traffic of a scenario. `tcpsec`: the gateways are ordinary NATs, which run nothing of
 * ours. `tls`: the hosts run nothing.
 */
export type LabMode = 'vpn' | 'lan' | 'n2n' | 'tcpsec' | 'tls';

/** True where each side knows the other by its public address only. */
export const isHidden = (mode: LabMode): boolean => mode === 'n2n' || mode === 'tcpsec';

/** True where gateways of ours stand between the sites. */
export const hasGateways = (mode: LabMode): boolean => mode === 'vpn' || mode === 'n2n' || mode === 'tls';
