export { type LinkId, type PathAddress, pathAddressEquals, pathAddressKey } from "./path-address.ts";
export { formatUdpAddress, type UdpAddress, udpAddressEquals } from "./udp-address.ts";
