import type { Host } from "../../net/host.ts";
import type { Lab } from "../../net/lab.ts";
import { LabError } from "../../net/lab-error.ts";
import { execute } from "../../net/lab-process.ts";
import { AgentProcess } from "../../product/agent-process.ts";
import { ASTERISM_COMMAND, whyProductCannotRun } from "../../product/asterism-command.ts";
import { ServerProcess } from "../../product/server-process.ts";
import type { Availability, Contender } from "../contender.ts";
import { outerPair } from "../outer-pair.ts";
import type { Setting } from "../scenario.ts";

/** The product as users run it: a server that introduces two agents, which then talk straight to each other. */
export const ASTERISM: Contender = {
  name: "asterism",
  async prepare(): Promise<Availability> {
    const reason = whyProductCannotRun();
    if (reason !== undefined) return { available: false, reason };
    const version = await execute([ASTERISM_COMMAND, "--version"], { timeoutMs: 300_000, allowFailure: true });
    if (version.code !== 0) return { available: false, reason: version.stderr.trim() };
    return { available: true, version: version.stdout.trim() };
  },
  async open(lab, setting) {
    const { a, b } = await outerPair(lab, setting);
    const args = setting.cipher === undefined ? [] : ["--cipher", setting.cipher];
    const serverHost = await lab.host("server");
    await Promise.all([controlLink(lab, serverHost, a, 1), controlLink(lab, serverHost, b, 2)]);
    const [server, agentA, agentB] = await Promise.all([
      ServerProcess.start(serverHost, { address: "192.0.2.1" }),
      AgentProcess.start(a, { args }),
      AgentProcess.start(b, { args }),
    ]);
    const key = await server.createKey({ reusable: true });
    await Promise.all([agentA.join(key), agentB.join(key)]);
    const [selfA, selfB] = await Promise.all([agentA.network(), agentB.network()]);
    await untilDirect(agentA, selfB.self.name);
    const { aead } = await agentA.peer(selfB.self.name);
    insistOnCipher(setting, aead);
    return {
      a,
      b,
      addressA: known(selfA.self.ipv4),
      addressB: known(selfB.self.ipv4),
      ipv6A: selfA.self.ipv6 ?? undefined,
      ipv6B: selfB.self.ipv6 ?? undefined,
      processGroups: [agentA.process.pid, agentB.process.pid],
      note: aead ?? "no session",
      close: async () => {
        await Promise.all([agentA.stop(), agentB.stop(), server.stop()]);
      },
    };
  },
};

/** A cable that carries only the control stream: the server forwards nothing. */
async function controlLink(lab: Lab, server: Host, agent: Host, number: number): Promise<void> {
  const link = await lab.wire(server, agent);
  const address = `192.0.2.${number * 16}`;
  await Promise.all([
    server.ip([
      `addr add 192.0.2.1/32 dev ${link.a.interfaceName}`,
      `route add ${address}/32 dev ${link.a.interfaceName}`,
    ]),
    agent.ip([
      `addr add ${address}/32 dev ${link.b.interfaceName}`,
      `route add 192.0.2.1/32 dev ${link.b.interfaceName}`,
    ]),
  ]);
}

/** A figure under the wrong name would be worse than none. */
function insistOnCipher(setting: Setting, aead: string | null): void {
  if (setting.cipher !== undefined && aead !== setting.cipher) {
    throw new LabError(`asked for ${setting.cipher}, but the agents talk ${aead ?? "without a session"}`);
  }
}

async function untilDirect(agent: AgentProcess, peer: string): Promise<void> {
  const report = await agent.ping(peer, ["--until-direct", "--timeout", "20"]);
  if (!report.direct) throw new LabError(`no direct path to ${peer}\n${agent.process.describe()}`);
}

function known(address: string | null): string {
  if (address === null) throw new LabError("the agent has no IPv4 address in the network");
  return address;
}
