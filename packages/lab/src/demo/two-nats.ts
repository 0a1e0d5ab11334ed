import { setTimeout as sleep } from "node:timers/promises";
import type { Internet } from "../net/internet.ts";
import { Lab } from "../net/lab.ts";
import type { Router } from "../net/router.ts";
import { insist, lastLines, type Stage } from "./stage.ts";

/** How long nothing passes straight between the two homes after the first answer by the relay. */
const RELAYED_MS = 400;

/** A public server and two machines behind NATs, one key; the pings go from relayed to direct. */
export async function twoNats(stage: Stage): Promise<void> {
  await using lab = Lab.create("demo");
  const internet = await lab.internet();
  const uplink = { link: { delayMs: 5 } };
  const [homeA, homeB, vega] = await Promise.all([
    lab.router("home-a", internet, { nat: "port-restricted", ipv6: false, uplink }),
    lab.router("home-b", internet, { nat: "restricted-cone", ipv6: false, uplink }),
    internet.host("vega"),
  ]);
  const [rigel, deneb] = await Promise.all([homeA.host("rigel"), homeB.host("deneb")]);
  stage.say(`vega ${vega.ipv4} has a public address;`);
  stage.say(`rigel ${rigel.ipv4} is behind ${homeA.machine.ipv4}, a port-restricted cone NAT,`);
  stage.say(`deneb ${deneb.ipv4} is behind ${homeB.machine.ipv4}, a restricted cone NAT.`);

  stage.step("Start the server, which relays too, on vega");
  const data = await vega.folder("server");
  const server = await stage.start(
    vega,
    `asterism server --data ${data} --public-url https://${vega.ipv4}`,
    /^ready: .*$/m,
  );

  stage.step("Create one join key for both machines");
  const key = await stage.run(vega, `asterism admin key create --reusable --data ${data}`);

  stage.step("Start an agent on each and join");
  for (const host of [rigel, deneb]) {
    await stage.start(host, "asterism agent", /^ready.*$/m);
    await stage.run(host, `asterism join ${key} --name ${host.name}`);
  }

  stage.step("The first packets go by the relay, the others straight");
  stage.say("(at first the lab lets nothing pass straight between the homes, so that the relay can be seen)");
  const unblock = await block(internet, homeA, homeB);
  const pings = await stage.run(rigel, "asterism ping deneb --until-direct", {
    once: { printed: /relayed via/, act: () => sleep(RELAYED_MS).then(unblock) },
  });
  insist(/ direct /.test(pings), "no answer came by a direct path");

  stage.step("Ordinary programs use the addresses of the network");
  const status = JSON.parse(await stage.run(deneb, "asterism status --json", { show: () => "…" })) as {
    networks: { self: { ipv4: string } }[];
  };
  const address = status.networks[0]?.self.ipv4;
  insist(address !== undefined, "deneb is in no network");
  await stage.start(deneb, "iperf3 -s -1 --forceflush", /Server listening.*$/m);
  await stage.run(rigel, `iperf3 -c ${address ?? ""} -t 2`, { show: lastLines(4) });
  await stage.run(rigel, "asterism status");

  stage.step("The server is needed to meet, not to talk");
  server.kill("SIGKILL");
  await server.exited;
  stage.say("(the server has just been killed, and its relay with it)");
  await stage.run(rigel, `ping -c 3 -i 0.2 ${address ?? ""}`);
}

/** Drops what goes straight between the two routers; returns what ends that. */
async function block(internet: Internet, a: Router, b: Router): Promise<() => Promise<void>> {
  const both = `{ ${a.machine.ipv4}, ${b.machine.ipv4} }`;
  await internet.router.nft(`
table ip demo {
  chain forward {
    type filter hook forward priority filter;
    ip saddr ${both} ip daddr ${both} drop
  }
}
`);
  return () => internet.router.nft("delete table ip demo\n");
}
