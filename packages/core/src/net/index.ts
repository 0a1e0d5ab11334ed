export { MAX_LINK_COST, MAX_LINKS, MIN_LINK_CAP_BYTES_PER_SECOND } from "./link-limits.ts";
export { type LinkId, type PathAddress, pathAddressEquals, pathAddressKey } from "./path-address.ts";
export { formatUdpAddress, type UdpAddress, udpAddressEquals } from "./udp-address.ts";
