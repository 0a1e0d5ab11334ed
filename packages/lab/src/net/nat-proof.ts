/**
 * Proof that a router of the lab is of the kind asked for, by programs that know nothing of the lab: Debian's `stun`
 * (RFC 3489) against coturn with two addresses.
 */
import type { Host } from "./host.ts";
import { LabError } from "./lab-error.ts";
import { Lan } from "./lan.ts";
import type { NatKind } from "./nat.ts";
import { Router } from "./router.ts";
import type { LabScope } from "./scope.ts";

/** What `stun` calls the kinds. Plain `masquerade` and `none` promise nothing. */
const VERDICTS: Readonly<Partial<Record<NatKind, string>>> = {
  "full-cone": "Independent Mapping, Independent Filter",
  "restricted-cone": "Independent Mapping, Address Dependent Filter",
  "port-restricted": "Independent Mapping, Port Dependent Filter",
  symmetric: "Dependent Mapping",
  "symmetric-sequential": "Dependent Mapping",
  "port-block": "Dependent Mapping",
};

/** An answer that comes late on a busy machine looks like one that the NAT has dropped. */
const TRIES = 3;

const proofs = new Map<string, Promise<void>>(); // bounded: two per kind

/** Builds a router of this kind beside the lab's own machines and checks it; once per process and kind. */
export function proveNat(scope: LabScope, kind: NatKind, hairpin: boolean): Promise<void> {
  if (VERDICTS[kind] === undefined) return Promise.resolve();
  const key = `${kind} ${hairpin}`;
  const known = proofs.get(key);
  if (known !== undefined) return known;
  const proof = buildAndCheck(scope, kind, hairpin);
  proofs.set(key, proof);
  proof.catch(() => proofs.delete(key));
  return proof;
}

async function buildAndCheck(scope: LabScope, kind: NatKind, hairpin: boolean): Promise<void> {
  const name = `proof${scope.nextNumber()}`;
  const outside = await Lan.isolated(scope, `${name}-lan`, { ipv4Prefix: "198.51.100", ipv6Prefix: undefined });
  const [server, router] = await Promise.all([
    outside.host(`${name}-stun`),
    Router.create(scope, name, outside, { nat: kind, hairpin }),
  ]);
  const [inside, address] = await Promise.all([router.host(`${name}-inside`), startStunServer(server)]);
  await checkNat(inside, address, kind, hairpin);
}

/** Gives the host, which is on a LAN, a second address and starts coturn on both; returns the first one. */
export async function startStunServer(host: Host): Promise<string> {
  const first = host.ipv4;
  const second = first.replace(/\d+$/, "250");
  await host.ip([`addr add ${second}/24 dev ${host.uplink.interfaceName}`]);
  const folder = await host.folder("coturn");
  const files = ["--pidfile", `${folder}/pid`, "--userdb", `${folder}/db`, "--log-file", "stdout"];
  const addresses = ["--listening-ip", first, "--listening-ip", second];
  const only = ["-n", "--stun-only", "--no-cli", "--no-tls", "--no-dtls", "--verbose"];
  const server = host.spawn(["turnserver", ...only, ...addresses, ...files]);
  await server.waitForOutput(new RegExp(`UDP listener opened on: ${second}:3479`));
  return first;
}

/** Throws unless `stun`, run on the machine, finds the kind between it and the server. */
export async function checkNat(
  inside: Host,
  server: string,
  kind: NatKind,
  hairpin: boolean,
  tries = TRIES,
): Promise<void> {
  const expected = [VERDICTS[kind] ?? "", hairpin ? "will hairpin" : "no hairpin"];
  let output = "";
  for (let attempt = 0; attempt < tries; attempt++) {
    // Its exit code is the kind of NAT.
    const { stdout, stderr } = await inside.exec(["stun", server], { allowFailure: true });
    output = `${stdout}${stderr}`.trim();
    const verdict = /^Primary: (.*)$/m.exec(output)?.[1] ?? "";
    if (verdict.startsWith(expected[0] ?? "") && verdict.includes(expected[1] ?? "")) return;
  }
  throw new LabError(
    `the lab's router should be ${kind} (${expected.join(", ")}), but \`stun ${server}\` says: ${output}`,
  );
}
