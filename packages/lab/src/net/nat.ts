/**
 * Address translation of the lab's routers as nftables rules (RFC 4787; the folk names are those of RFC 3489).
 *
 * Linux tracks connections, which alone makes a NAT whose mapping depends on the endpoint as soon as a port is taken, and
 * whose filter depends on address and port. The other kinds remember the mapping of an inside endpoint in dynamic maps
 * that every packet going out fills and refreshes.
 */
export type NatKind =
  | "none"
  /** What Linux does on its own. */
  | "masquerade"
  /** Endpoint-independent mapping and filtering. */
  | "full-cone"
  /** Endpoint-independent mapping, address-dependent filtering. */
  | "restricted-cone"
  /** Endpoint-independent mapping, address and port-dependent filtering. */
  | "port-restricted"
  /** Address and port-dependent mapping to random ports, address and port-dependent filtering. */
  | "symmetric"
  /** As `symmetric`, but every new mapping gets the port after that of the one before. */
  | "symmetric-sequential"
  /** As `symmetric`, but out of a block of 512 ports, as carriers give to each subscriber (RFC 6888, RFC 7422). */
  | "port-block";

export interface NatPlace {
  readonly uplink: string;
  /** The router's own address on its uplink. */
  readonly address: string;
  /** Whether machines inside reach each other by their outside addresses. */
  readonly hairpin: boolean;
}

/** How long a mapping is kept without a packet from inside. RFC 4787 asks for two minutes at least. */
const MAPPING_LIFETIME = "2m";
const SEQUENTIAL_PORTS = { first: 20_000, count: 4_096 };
/** The 38th block when ports from 1024 on are cut into blocks of 512. */
export const PORT_BLOCK = { first: 20_480, last: 20_991 };

export function natRuleset(kind: NatKind, place: NatPlace): string {
  if (kind === "none") return "";
  const { uplink, hairpin } = place;
  const out = `oifname "${uplink}" meta nfproto ipv4`;
  const remembers = hairpin || kind === "full-cone" || kind === "restricted-cone" || kind === "port-restricted";
  return `
table inet lab_nat {
${remembers ? MAPS : ""}
  chain prerouting {
    type nat hook prerouting priority dstnat;
    ${inward(kind, place)}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ${hairpin ? hairpinSource(place) : ""}
    ${outward(kind)
      .map((translation) => `${out} ${translation}`)
      .join("\n    ")}
  }
${remembers ? remember(place) : ""}
${dropUnsolicited(place)}
}
`;
}

const MAPS = `
  map port_of { type ipv4_addr . inet_service : inet_service; flags dynamic, timeout; timeout ${MAPPING_LIFETIME}; }
  map inside_of { type inet_service : ipv4_addr . inet_service; flags dynamic, timeout; timeout ${MAPPING_LIFETIME}; }
  set taken { type inet_service; flags dynamic, timeout; timeout ${MAPPING_LIFETIME}; }
  set contacted { type inet_service . ipv4_addr; flags dynamic, timeout; timeout ${MAPPING_LIFETIME}; }`;

/** Translations of what goes out by the uplink, first match first. */
function outward(kind: Exclude<NatKind, "none">): string[] {
  switch (kind) {
    case "masquerade":
      return ["masquerade"];
    case "full-cone":
    case "restricted-cone":
    case "port-restricted":
      return [
        "meta l4proto udp masquerade to :ip saddr . udp sport map @port_of",
        // Connection tracking alone would give the same port to two inside endpoints with different destinations.
        "udp sport @taken masquerade random,fully-random",
        "masquerade",
      ];
    case "symmetric":
      return ["masquerade random,fully-random"];
    case "symmetric-sequential": {
      // By a map, as `numgen` by itself counts in the machine's byte order and not in the network's.
      const { first, count } = SEQUENTIAL_PORTS;
      const ports = Array.from({ length: count }, (_, index) => `${index} : ${first + index}`);
      return [`meta l4proto udp masquerade to :numgen inc mod ${count} map { ${ports.join(", ")} }`, "masquerade"];
    }
    case "port-block": {
      const { first, last } = PORT_BLOCK;
      return [`meta l4proto { tcp, udp } masquerade to :${first}-${last} random,fully-random`, "masquerade"];
    }
  }
}

/** What comes in without having been asked for, and passes nevertheless. */
function inward(kind: NatKind, { uplink, address, hairpin }: NatPlace): string {
  const rules: string[] = [];
  const translate = "dnat ip to udp dport map @inside_of";
  if (kind === "full-cone") rules.push(`iifname "${uplink}" ${translate}`);
  if (kind === "restricted-cone") rules.push(`iifname "${uplink}" udp dport . ip saddr @contacted ${translate}`);
  if (hairpin) rules.push(`iifname != "${uplink}" ip daddr ${address} ${translate}`);
  return rules.join("\n    ");
}

/** A packet between two inside machines carries the sender's outside endpoint (RFC 4787 REQ-9). */
function hairpinSource({ uplink, address }: NatPlace): string {
  const hairpinned = `oifname != "${uplink}" ct status dnat ct original ip daddr ${address}`;
  return [
    `${hairpinned} meta l4proto udp snat ip to ${address}:ip saddr . udp sport map @port_of`,
    `${hairpinned} meta l4proto udp snat ip to ${address}`,
  ].join("\n    ");
}

/** Runs behind the translation: the header already has the outside endpoint, the tracked connection the inside one. */
function remember({ uplink, address, hairpin }: NatPlace): string {
  const places = [`oifname "${uplink}"`, ...(hairpin ? [`oifname != "${uplink}" ip saddr ${address}`] : [])];
  const rules = places.flatMap((place) => [
    ...(["original", "reply"] as const).flatMap((direction) => {
      const inside = `ct ${direction} ip saddr . ct ${direction} proto-src`;
      const when = `${place} meta l4proto udp ct direction ${direction}`;
      return [
        `${when} update @port_of { ${inside} : udp sport }`,
        `${when} update @inside_of { udp sport : ${inside} }`,
      ];
    }),
    `${place} update @taken { udp sport }`,
    `${place} update @contacted { udp sport . ip daddr }`,
  ]);
  return `  chain remember {
    type filter hook postrouting priority srcnat + 10;
    ${rules.join("\n    ")}
  }`;
}

/**
 * Drops what nobody inside asked for. Without it an unsolicited packet to the router makes a connection-tracking entry
 * of its own, which takes the tuple and changes the mapping of the next packet from inside.
 */
function dropUnsolicited({ uplink, address }: NatPlace): string {
  return `  chain input {
    type filter hook input priority filter;
    iifname "${uplink}" meta l4proto { tcp, udp } ct state new drop
    iifname != "${uplink}" ip daddr ${address} meta l4proto udp ct state new drop
  }`;
}
