import type { Machine } from "../bench/machine.ts";
import { BLOCKED_GOAL_MS, formatBlocked } from "./blocked-pairs.ts";
import { DIRECT_GOALS_MS, FIRST_PING_GOAL_MS, formatTables, type PairFigures } from "./report.ts";

interface Settings {
  readonly tries: number;
  readonly delayMs: number;
}

/** docs/nat-matrix.md. */
export function formatDocument(
  { pairs, blocked }: { readonly pairs: readonly PairFigures[]; readonly blocked: readonly PairFigures[] },
  { tries, delayMs }: Settings,
  machine: Machine,
  date: string,
): string {
  const release = machine.kernel.split(".").slice(0, 2).join(".");
  return `# Which pairs get a direct path

\`sudo npm run nat-matrix\` puts a machine behind a router of each kind, twice, and lets each of the one side talk to each of
the other: a server, which relays, and ten agents as users run them, in network namespaces, IPv4 only. \`-- --write\`
writes this file, \`-- --json\` prints the figures, \`-- --help\` lists the rest.

- Each router is what it claims: the lab asks Debian's \`stun\`, against coturn, before it hands one out.
- Times count from the first packet, which is sent to a peer never talked to before, to the first answer, and to the first
  answer that came by a direct path. Echoes leave every 20 ms. The delay to the lab's internet is ${delayMs} ms each way.
  Pairs run one after the other in the order of the rows, hard ones last; the first of each caller is its agent's first
  call of all, which costs a little more.
- A pair is direct if at the end ten answers in a row came by a direct path while the server's host saw no data packet.
  That traffic goes on with the server cut off is a test: \`packages/lab/test/nat\`.
- Goals: every pair answers in less than ${FIRST_PING_GOAL_MS} ms; direct in less than ${DIRECT_GOALS_MS.easy} ms. Symmetric with
  port-restricted takes guessing ports (docs/protocol-paths.md §8), where 95 of 100 are to be direct within
  ${DIRECT_GOALS_MS.punched / 1_000} s. Symmetric with symmetric stays on the relay, as both would have to guess at once.

## ${date}

${machine.cpu}, ${machine.cores} cores, Linux ${release}, ${machine.distribution}, Node ${machine.node}. ${tries === 1 ? "One try" : `Medians of ${tries} tries`}.

${formatTables(pairs)}

## With UDP blocked

\`udp-blocked\` stands behind a firewall that lets no UDP out but DNS, \`https-only\` behind one that lets out TCP to port 443 alone, both
with a port-restricted NAT. Such pairs meet at the relay, which the blocked ends reach by TLS on the server's port 443. Goal: every pair
answers in less than ${BLOCKED_GOAL_MS} ms.

${formatBlocked(blocked)}
`;
}
