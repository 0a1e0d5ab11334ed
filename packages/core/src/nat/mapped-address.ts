import type { UdpAddress } from "../net/index.ts";
import { readAddress, readXorAddress, STUN_ATTRIBUTE, type StunMessage } from "../stun/index.ts";

/** XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS of servers that know only RFC 3489. */
export function readMapped(message: StunMessage, family: 4 | 6): UdpAddress | undefined {
  const mapped =
    readXorAddress(message, STUN_ATTRIBUTE.xorMappedAddress) ?? readAddress(message, STUN_ATTRIBUTE.mappedAddress);
  return mapped !== undefined && mapped.port !== 0 && isFamily(mapped, family) ? mapped : undefined;
}

export function isFamily({ address }: UdpAddress, family: 4 | 6): boolean {
  return address.includes(":") === (family === 6);
}
