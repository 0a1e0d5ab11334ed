/** Makes planned faults happen in the virtual world, and mends them. */
import type { Attachment } from "../../virtual-internet/segment.ts";
import type { ChaosMember } from "./chaos-member.ts";
import type { PlannedFault } from "./schedule.ts";
import type { Site } from "./site.ts";
import type { Stage } from "./stage.ts";

/** What a fault has done to whom, and how it ends. */
export interface Effect {
  /** For people. */
  readonly text: string;
  /** Members whose connections it concerns; all if it is none's in particular. */
  readonly concerns: readonly ChaosMember[];
  readonly end: () => void;
}

const DAY_MS = 86_400_000;
const LINE_MS = 10;
const WAKE_POLL_MS = 10;
/** The agent notices at its next tick that it was away. */
const TICK_MS = 1_000;

export class Faults {
  readonly #stage: Stage;
  /** How many faults under way keep something from working. */
  readonly #counts = new Map<object, Map<string, number>>(); // bounded: parts of the stage, a few kinds each

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  begin(fault: PlannedFault): Effect {
    const member = pick(this.#stage.members, fault.subject);
    const lengthMs = fault.endMs - fault.beginMs;
    switch (fault.kind) {
      case "sleep":
      case "stop":
        return this.#suspend(member, lengthMs, fault.kind === "sleep" ? "stands" : "runs");
      case "clock":
        return this.#setClock(member, fault.severity);
      case "nat-reboot":
      case "nat-address":
        return this.#resetNat(member, fault);
      case "cable":
        return this.#pullCable(member);
      case "line":
      case "bad-line":
      case "udp-blocked":
        return this.#spoilLine(member, fault);
      case "roam":
        return this.#roam(member, pick(this.#stage.cafes, fault.object));
      case "address":
        return this.#changeAddress(member);
      case "cut-off":
        return this.#cutOff(member, pick(this.#stage.members, fault.object));
      case "relay-cut-off":
      case "relay-restart":
      case "relay-down":
        return this.#spoilRelay(member, fault);
      case "server-down":
      case "server-unreachable":
        return this.#spoilServer(member, fault.kind);
      case "agent-restart":
      case "agent-down":
        return this.#stopAgent(member, fault.kind);
    }
  }

  #suspend(member: ChaosMember, lengthMs: number, monotonicClock: "stands" | "runs"): Effect {
    const how = monotonicClock === "stands" ? "sleeps" : "is stopped";
    if (lengthMs < 1 || !member.isAwake) return effect(`${member.name} ${how} already`, [member]);
    member.host.sleep(lengthMs, monotonicClock);
    return effect(`${member.name} ${how}`, [member], () => {
      this.#stage.world.after(TICK_MS, () => member.handleWake());
    });
  }

  #setClock(member: ChaosMember, severity: number): Effect {
    const byMs = Math.round((severity - 0.5) * 2 * DAY_MS);
    member.host.jumpWallClock(byMs);
    return effect(`${member.name}'s wall clock is set ${Math.round(byMs / 1_000)} s ahead`, [member]);
  }

  #resetNat(member: ChaosMember, { kind }: PlannedFault): Effect {
    const { border, name, routers } = member.site;
    const concerned = this.#at(member.site);
    if (border === undefined) return effect(`${member.name} has no router`, []);
    if (kind === "nat-address") border.setOutsideIpv4(this.#stage.nextAddress());
    else for (const router of routers) router.reboot();
    for (const each of concerned) this.#stage.control.breakStream(each.name);
    return effect(`the router of ${name} ${kind === "nat-address" ? "has a new address" : "reboots"}`, concerned);
  }

  #pullCable(member: ChaosMember): Effect {
    this.#count(member, "cable", 1);
    member.uplink.attachment.isUp = false;
    this.#tell(member);
    return effect(`${member.name}'s cable is out`, [member], () => {
      if (this.#count(member, "cable", -1) > 0) return;
      member.uplink.attachment.isUp = true;
      this.#tell(member);
    });
  }

  /** What happens to the line of a whole site. */
  #spoilLine(member: ChaosMember, { kind, severity }: PlannedFault): Effect {
    const { site } = member;
    const { border } = site;
    const line = site.entrance(member.uplink.attachment);
    const part = border ?? member;
    if (border === undefined && kind !== "bad-line") return effect(`${member.name} has no router`, []);
    this.#count(part, kind, 1);
    if (kind === "line") line.isUp = false;
    else if (kind === "udp-blocked") border?.setFirewall(severity < 0.5 ? "udp-blocked" : "https-only");
    else makeBad(line, severity);
    return effect(`${site.name} (${member.name}): ${kind}`, this.#at(site), () => {
      if (this.#count(part, kind, -1) > 0) return;
      if (kind === "line") line.isUp = true;
      else if (kind === "udp-blocked") border?.setFirewall("stateful");
      else line.setConditions({ up: { delayMs: LINE_MS }, down: { delayMs: LINE_MS } });
    });
  }

  #roam(member: ChaosMember, to: Site): Effect {
    if (this.#count(member, "roam", 1) === 1) this.#move(member, to);
    return effect(`${member.name} is at ${to.name}`, [member], () => {
      if (this.#count(member, "roam", -1) === 0) this.#move(member, member.home);
    });
  }

  #changeAddress(member: ChaosMember): Effect {
    this.#move(member, member.site);
    return effect(`${member.name} has another address at ${member.site.name}`, [member]);
  }

  #move(member: ChaosMember, to: Site): void {
    member.moveTo(to);
    this.#stage.control.breakStream(member.name);
    this.#tell(member);
  }

  #cutOff(a: ChaosMember, b: ChaosMember): Effect {
    const [one, other] = [a, b].map((member) => member.site.entrance(member.uplink.attachment));
    if (one === undefined || other === undefined || one === other) return effect(`${a.name} can't be cut off`, []);
    return effect(
      `${a.name} and ${b.name} are cut off`,
      [...this.#at(a.site), ...this.#at(b.site)],
      this.#cut(one, other),
    );
  }

  /** Cuts two networks off from each other; returns what joins them again. */
  #cut(one: Attachment, other: Attachment): () => void {
    const key = `from ${other.device.name}`;
    this.#count(one, key, 1);
    one.setCutOff(other, true);
    return () => {
      if (this.#count(one, key, -1) === 0) one.setCutOff(other, false);
    };
  }

  #spoilRelay(member: ChaosMember, { kind, object }: PlannedFault): Effect {
    const relay = pick(this.#stage.relays, object);
    const name = relay.attachment.device.name;
    if (kind === "relay-cut-off") {
      const entrance = member.site.entrance(member.uplink.attachment);
      return effect(
        `${member.name} is cut off from ${name}`,
        this.#at(member.site),
        this.#cut(entrance, relay.attachment),
      );
    }
    relay.restart();
    if (kind === "relay-restart") return effect(`${name} starts anew`, this.#stage.members);
    this.#count(relay, "down", 1);
    relay.isRunning = false;
    return effect(`${name} is down`, this.#stage.members, () => {
      if (this.#count(relay, "down", -1) === 0) relay.isRunning = true;
    });
  }

  #spoilServer(member: ChaosMember, kind: "server-down" | "server-unreachable"): Effect {
    if (kind === "server-unreachable") {
      member.serverTroubles += 1;
      return effect(`${member.name} does not reach the server`, [member], () => {
        member.serverTroubles -= 1;
      });
    }
    const { control } = this.#stage;
    this.#count(control, "down", 1);
    control.setUp(false);
    return effect("the server is down", this.#stage.members, () => {
      if (this.#count(control, "down", -1) === 0) control.setUp(true);
    });
  }

  #stopAgent(member: ChaosMember, kind: "agent-restart" | "agent-down"): Effect {
    this.#count(member, "agent", 1);
    member.kill();
    const restart = (): void => {
      if (this.#count(member, "agent", -1) === 0) this.#startAgent(member);
    };
    if (kind === "agent-down") return effect(`${member.name}'s agent is down`, [member], restart);
    restart();
    return effect(`${member.name}'s agent starts anew`, [member]);
  }

  /** Nobody starts anything on a host that sleeps. */
  #startAgent(member: ChaosMember): void {
    if (member.isAwake) member.start();
    else this.#stage.world.after(WAKE_POLL_MS, () => this.#startAgent(member));
  }

  #at(site: Site): ChaosMember[] {
    return this.#stage.members.filter((member) => member.site === site);
  }

  #tell(member: ChaosMember): void {
    member.handleNetworkChange((run) => this.#stage.world.after(member.settleMs, run));
  }

  #count(part: object, kind: string, by: 1 | -1): number {
    const counts = this.#counts.get(part) ?? new Map<string, number>();
    this.#counts.set(part, counts);
    const count = (counts.get(kind) ?? 0) + by;
    counts.set(kind, count);
    return count;
  }
}

function effect(text: string, concerns: readonly ChaosMember[], end: () => void = () => undefined): Effect {
  return { text, concerns, end };
}

function makeBad(line: Attachment, severity: number): void {
  const bad = {
    delayMs: LINE_MS + 200 * severity,
    jitterMs: 200 * severity,
    lossRatio: 0.05 + 0.6 * severity,
    reorderRatio: 0.3 * severity,
    duplicateRatio: 0.3 * severity,
  };
  line.setConditions({ up: bad, down: bad });
}

function pick<T>(from: readonly T[], place: number): T {
  const picked = from[place % from.length];
  if (picked === undefined) throw new RangeError("nothing to pick from");
  return picked;
}
