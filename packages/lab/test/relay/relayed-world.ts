import type { Host } from "../../src/net/host.ts";
import type { AgentProcess } from "../../src/product/agent-process.ts";
import type { World } from "../e2e/world.ts";

/** How the internet treats UDP between the two homes. */
export type Parting =
  /** Nothing passes from one home's address to the other's. */
  | "parted"
  /** Besides, the homes reach port 3478 of others and nothing else, so that each end needs its own relayed address. */
  | "only-3478";

/** Two machines, each behind a NAT, which no direct path can join. */
export interface RelayedPair {
  readonly west: AgentProcess;
  readonly east: AgentProcess;
}

export async function relayedPair(world: World, parting: Parting): Promise<RelayedPair> {
  const options = { nat: "masquerade", ipv6: false } as const;
  const westHome = await world.lab.router("westhome", world.internet, options);
  const eastHome = await world.lab.router("easthome", world.internet, options);
  const [west, east] = [westHome.machine.ipv4, eastHome.machine.ipv4];
  const homes = `{ ${west}, ${east} }`;
  const beyond =
    parting === "parted" ? "" : `ip saddr ${homes} udp dport != 3478 drop; ip daddr ${homes} udp sport != 3478 drop`;
  await world.internet.router.nft(`
table inet lab_parting {
  chain forward {
    type filter hook forward priority filter;
    ip saddr ${homes} ip daddr ${homes} drop
    ${beyond}
  }
}
`);
  const hosts = [await westHome.host("west"), await eastHome.host("east")];
  const [first, second] = await world.members(...hosts);
  return { west: first!, east: second! };
}

/** coturn with the TURN REST scheme, on a public host of its own. */
export async function startCoturn(host: Host, secret: string): Promise<void> {
  const folder = await host.folder("coturn");
  const files = ["--pidfile", `${folder}/pid`, "--userdb", `${folder}/db`, "--log-file", "stdout"];
  const login = ["--use-auth-secret", "--static-auth-secret", secret, "--realm", "lab.example"];
  const only = ["-n", "--no-cli", "--no-tls", "--no-dtls", "--verbose"];
  const server = host.spawn(["turnserver", ...only, ...login, "--listening-ip", host.ipv4, ...files]);
  await server.waitForOutput(/UDP listener opened on: \S+:3478/);
}
