import { Lab } from "../net/lab.ts";
import { insist, lastLines, type Stage } from "./stage.ts";

/** One server, three machines (one of them behind a home router), one key; then ping, iperf3, status. */
export async function threeHosts(stage: Stage): Promise<void> {
  await using lab = Lab.create("demo");
  const internet = await lab.internet();
  const router = await lab.router("router", internet, { nat: "masquerade", ipv6: false });
  const [vega, rigel, deneb] = await Promise.all([internet.host("vega"), internet.host("rigel"), router.host("deneb")]);
  stage.say(`vega ${vega.ipv4} and rigel ${rigel.ipv4} are on the lab's internet,`);
  stage.say(`deneb ${deneb.ipv4} is behind a router that masquerades as ${router.machine.ipv4}.`);

  stage.step("Start the server on vega");
  const data = await vega.folder("server");
  const url = `https://${vega.ipv4}`;
  const server = await stage.start(
    vega,
    `asterism server --data ${data} --listen ${vega.ipv4}:443 --public-url ${url}`,
    /^ready: .*$/m,
  );

  stage.step("Create one join key for all machines");
  const key = await stage.run(vega, `asterism admin key create --reusable --data ${data}`);

  stage.step("Start an agent on each machine and join");
  const machines = [vega, rigel, deneb];
  for (const host of machines) {
    await stage.start(host, "asterism agent", /^ready.*$/m);
    await stage.run(host, `asterism join ${key} --name ${host.name}`);
  }

  stage.step("Every machine reaches the others by name, straight");
  await stage.run(rigel, "asterism ping vega -c 2");
  await stage.run(deneb, "asterism ping rigel --until-direct -c 5");

  stage.step("Ordinary programs use the addresses of the network");
  const status = JSON.parse(await stage.run(rigel, "asterism status --json", { show: () => "…" })) as {
    networks: { self: { ipv4: string; ipv6: string } }[];
  };
  const self = status.networks[0]?.self;
  insist(self !== undefined, "rigel is in no network");
  await stage.run(vega, `ping -c 3 -i 0.2 ${self?.ipv4 ?? ""}`);
  await stage.run(vega, `ping -c 3 -i 0.2 ${self?.ipv6 ?? ""}`);
  await stage.start(rigel, "iperf3 -s -1 --forceflush", /Server listening.*$/m);
  await stage.run(vega, `iperf3 -c ${self?.ipv4 ?? ""} -t 3`, { show: lastLines(4) });

  stage.step("What an agent knows");
  await stage.run(vega, "asterism status");

  stage.step("The server is needed to meet, not to talk");
  server.kill("SIGKILL");
  await server.exited;
  stage.say("(the server has just been killed)");
  await stage.run(deneb, `ping -c 3 -i 0.2 ${self?.ipv4 ?? ""}`);
}
