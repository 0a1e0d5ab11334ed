/** What a router lets pass between its LANs and its uplink. */
export type FirewallKind =
  /** Everything. */
  | "open"
  /** Answers only, and what starts inside. */
  | "stateful"
  /** As `stateful`, and no UDP but DNS. */
  | "block-udp"
  /** As `stateful`, and only TCP to port 443. */
  | "https-only"
  /** As `stateful`, and nothing starts inside: what leads out is a proxy on the router. */
  | "closed";

export function firewallRuleset(kind: FirewallKind, uplink: string): string {
  if (kind === "open") return "";
  const outgoing = {
    stateful: "",
    "block-udp": `oifname "${uplink}" meta l4proto udp udp dport != 53 drop`,
    "https-only": `oifname "${uplink}" tcp dport 443 accept\n    oifname "${uplink}" drop`,
    closed: `oifname "${uplink}" drop`,
  }[kind];
  return `
table inet lab_firewall {
  chain forward {
    type filter hook forward priority filter;
    ct state established,related accept
    ct status dnat accept
    iifname "${uplink}" drop
    ${outgoing}
  }
}
`;
}
