/** Numbers of TURN in the IANA registries of STUN (RFC 8656 §17–19). */

export const TURN_METHOD = {
  allocate: 0x003,
  refresh: 0x004,
  /** Indications only. */
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
} as const;

/** RFC 8656 §18; the rest is in `STUN_ATTRIBUTE`. */
export const TURN_ATTRIBUTE = {
  channelNumber: 0x000c,
  /** Seconds. */
  lifetime: 0x000d,
  xorPeerAddress: 0x0012,
  data: 0x0013,
  xorRelayedAddress: 0x0016,
  requestedAddressFamily: 0x0017,
  evenPort: 0x0018,
  requestedTransport: 0x0019,
  dontFragment: 0x001a,
  reservationToken: 0x0022,
  additionalAddressFamily: 0x8000,
  addressErrorCode: 0x8001,
  icmp: 0x8004,
} as const;

/** Error codes that TURN servers answer (RFC 8656 §19, RFC 8489 §14.8). */
export const TURN_ERROR = {
  tryAlternate: 300,
  badRequest: 400,
  unauthenticated: 401,
  forbidden: 403,
  unknownAttribute: 420,
  allocationMismatch: 437,
  staleNonce: 438,
  addressFamilyNotSupported: 440,
  wrongCredentials: 441,
  unsupportedTransport: 442,
  peerAddressFamilyMismatch: 443,
  allocationQuotaReached: 486,
  serverError: 500,
  insufficientCapacity: 508,
} as const;

export type TurnErrorCode = (typeof TURN_ERROR)[keyof typeof TURN_ERROR];

/** Protocol number of UDP, the only transport an allocation may ask for (RFC 8656 §18.8). */
export const TRANSPORT_UDP = 17;
