/** Attribute types of the IANA registry. Below 0x8000 a receiver must know them (RFC 8489 §14). */
export const STUN_ATTRIBUTE = {
  mappedAddress: 0x0001,
  /** RFC 5780 §7.2. */
  changeRequest: 0x0003,
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  realm: 0x0014,
  nonce: 0x0015,
  messageIntegritySha256: 0x001c,
  passwordAlgorithm: 0x001d,
  userhash: 0x001e,
  xorMappedAddress: 0x0020,
  /** RFC 8445 §16.1. */
  priority: 0x0024,
  useCandidate: 0x0025,
  /** RFC 5780 §7.6. */
  padding: 0x0026,
  /** RFC 5780 §7.5. */
  responsePort: 0x0027,
  passwordAlgorithms: 0x8002,
  alternateDomain: 0x8003,
  software: 0x8022,
  alternateServer: 0x8023,
  /** RFC 5780 §7.3, §7.4. */
  responseOrigin: 0x802b,
  otherAddress: 0x802c,
  fingerprint: 0x8028,
  /** RFC 8445 §16.1. */
  iceControlled: 0x8029,
  iceControlling: 0x802a,
  /** Ours, in checks between agents; others ignore it (docs/protocol-paths.md §3). */
  place: 0xc0a7,
  linkCost: 0xc0a8,
  trafficMode: 0xc0a9,
  doubt: 0xc0aa,
} as const;

export const STUN_METHOD_BINDING = 0x001;

/** A receiver that does not know such an attribute must not act on the message. */
export function isComprehensionRequired(type: number): boolean {
  return type < 0x8000;
}
