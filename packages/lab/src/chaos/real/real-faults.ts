/** Makes faults happen on the machines of the lab, and mends them. */
import { setTimeout as sleep } from "node:timers/promises";
import type { RealFault } from "./real-schedule.ts";
import type { RealMember, RealStage } from "./real-stage.ts";

const BLOCK_UDP = `
table inet lab_chaos {
  chain forward {
    type filter hook forward priority filter - 10;
    meta l4proto udp drop
  }
}
`;
const UNBLOCK_UDP = "delete table inet lab_chaos";
const FLAPS = 3;
const FIRST_SPARE_ADDRESS = 150;

export class RealFaults {
  readonly #stage: RealStage;
  /** Things that a fault has hold of, so that a second one leaves them alone. */
  readonly #held = new Set<unknown>(); // bounded: parts of the stage
  #addresses = 0;

  constructor(stage: RealStage) {
    this.#stage = stage;
  }

  /** Lets it happen and pass; resolves when it is over. `tell` gets a line for people. True if it did. */
  async run(fault: RealFault, tell: (text: string) => void): Promise<boolean> {
    const member = this.#subjectOf(fault);
    const part = partOf(fault, member, this.#stage);
    if (part === undefined || this.#held.has(part)) return false;
    this.#held.add(part);
    tell(`${member.name}: ${fault.kind} for ${(fault.lengthMs / 1_000).toFixed(1)} s`);
    member.troubles.set(fault.kind, (member.troubles.get(fault.kind) ?? 0) + 1);
    try {
      await this.#happen(fault, member);
      return true;
    } finally {
      member.troubles.set(fault.kind, (member.troubles.get(fault.kind) ?? 0) - 1);
      this.#held.delete(part);
      tell(`over: ${member.name}: ${fault.kind}`);
    }
  }

  #subjectOf({ subject }: RealFault): RealMember {
    const { members } = this.#stage;
    const member = members[subject % members.length];
    if (member === undefined) throw new RangeError("no members");
    return member;
  }

  async #happen({ kind, lengthMs }: RealFault, member: RealMember): Promise<void> {
    const { agent, router } = member;
    const uplink = agent.host.uplink;
    switch (kind) {
      case "nat-reboot":
        await router?.reboot({ offMs: lengthMs });
        return;
      case "nat-address":
        await router?.reboot({ offMs: lengthMs, ipv4: this.#spareAddress(router.machine.uplink.ipv4 ?? "") });
        return;
      case "cable":
        await uplink.cut();
        await sleep(lengthMs);
        await uplink.mend();
        return;
      case "flap":
        await uplink.flap(FLAPS, { downMs: lengthMs / (2 * FLAPS), upMs: lengthMs / (2 * FLAPS) });
        return;
      case "suspend":
        await agent.host.suspend();
        await sleep(lengthMs);
        await agent.host.resume();
        return;
      case "stop":
        agent.suspend();
        await sleep(lengthMs);
        agent.resume();
        return;
      case "agent-kill":
        await agent.kill();
        await sleep(lengthMs);
        await agent.startAgain();
        return;
      case "address":
        await uplink.renumber({ ipv4: this.#spareAddress(uplink.ipv4 ?? "") });
        return;
      case "route":
        await this.#changeRoute(member, lengthMs);
        return;
      case "udp-blocked":
        await router?.machine.nft(BLOCK_UDP);
        await sleep(lengthMs);
        await router?.machine.nft(UNBLOCK_UDP);
        return;
      case "relay-kill":
        await this.#stage.killRelay();
        await sleep(lengthMs);
        await this.#stage.startRelay();
        return;
      case "server-kill":
        await this.#stage.server.kill();
        await sleep(lengthMs);
        await this.#stage.server.startAgain();
        return;
    }
  }

  async #changeRoute({ agent, uplinks }: RealMember, lengthMs: number): Promise<void> {
    const [first, second] = uplinks;
    if (first === undefined || second === undefined) return;
    await agent.host.preferUplink(second);
    await sleep(lengthMs);
    await agent.host.preferUplink(first);
  }

  /** Another one of the same network. */
  #spareAddress(ipv4: string): string {
    const last = FIRST_SPARE_ADDRESS + (this.#addresses++ % 100);
    return ipv4.replace(/\d+$/, String(last));
  }
}

/** What the fault has hold of; undefined where it can't happen. */
function partOf({ kind }: RealFault, { agent, router, uplinks }: RealMember, stage: RealStage): unknown {
  switch (kind) {
    case "nat-reboot":
    case "nat-address":
    case "udp-blocked":
      return router;
    case "route":
      return uplinks.length > 1 ? agent.host : undefined;
    case "relay-kill":
      return stage.relayHost;
    case "server-kill":
      return stage.server;
    default:
      return agent.host;
  }
}
