/**
 * What has been done to the packets on a link. An output emits one state, an input accepts some; joining them
 * wrongly (NAT behind the cipher, say) neither compiles nor passes the graph check.
 */
export const packetStates = {
  raw: 'Octets as a device delivered them.',
  ip: 'IP and transport headers checked, their places known.',
  clear: 'Passes unprotected, as policy says.',
  plain: 'Policy wants it protected; nothing is done yet.',
  control: 'A control packet in the clear.',
  data: 'A data packet in the clear.',
  duplicated: 'A control packet in the clear with the duplicate of what NAT alters.',
  natted: 'A duplicated control packet whose outer headers are translated, in the clear.',
  'tls-control':
    'The first packet of a flow whose data TLS protects, as its host made it: only behind a duplicate may it pass.',
  'tls-data': 'A later packet of such a flow, to be translated.',
  sealed: 'A shim of one of this node’s security associations stands behind the transport header.',
  'sealed-data': 'A shim that only the end hosts can open.',
  translated: 'A data packet whose readable headers were translated.',
  opened: 'Verified and in the clear.',
} as const;

export type PacketState = keyof typeof packetStates;
