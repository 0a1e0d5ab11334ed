/**
 * Address translation of the lab's routers as nftables rules.
 *
 * `masquerade` is what Linux does on its own: endpoint-independent mapping as long as the port is free, address and
 * port dependent filtering (RFC 4787), "port-restricted cone" in folk words.
 */
export type NatKind = "none" | "masquerade";

export function natRuleset(kind: NatKind, uplink: string): string {
  switch (kind) {
    case "none":
      return "";
    case "masquerade":
      return `
table inet lab_nat {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    oifname "${uplink}" meta nfproto ipv4 masquerade
  }
${dropUnsolicited(uplink)}
}
`;
  }
}

/**
 * Drops what nobody inside asked for. Without it an unsolicited packet to the router makes a connection-tracking entry
 * of its own, which takes the tuple and changes the mapping of the next packet from inside.
 */
function dropUnsolicited(uplink: string): string {
  return `  chain input {
    type filter hook input priority filter;
    iifname "${uplink}" meta l4proto { tcp, udp } ct state new drop
  }`;
}
