import {
  learnPorts,
  type NatReport,
  type PortPrediction,
  type PortSample,
  PortSampler,
  type SamplerEvent,
} from "../nat/index.ts";
import type { LinkId, PathAddress, UdpAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import type { StunMessage } from "../stun/index.ts";
import type { Instant } from "../time.ts";

/** Samples that are taken of a NAT with varying ports when it has been examined. */
const FIRST_SAMPLES = 8;
/** When somebody is about to guess its ports: to see where a counter is, and for everything else to see more. */
const COUNTER_SAMPLES = 6;
const FURTHER_SAMPLES = 16;
const MAX_SERVERS_ASKED = 2;

/** How the NATs in front of this host give out ports: from what their examination has shown, and more samples if need be. */
export class PortKnowledge {
  readonly #sampler: PortSampler;
  /** What was learnt last, as it is asked for far more often than there are new samples. */
  readonly #learnt = new Map<LinkId, Learnt>(); // bounded: links of this host

  constructor(random: RandomBytes) {
    this.#sampler = new PortSampler(random);
  }

  get isSampling(): boolean {
    return this.#sampler.isRunning;
  }

  /** A NAT has been examined. */
  handleReport(report: NatReport, now: Instant): void {
    if (hasVaryingPorts(report)) this.#sampler.begin(report.linkId, serversOf(report), FIRST_SAMPLES, now);
  }

  /** Somebody is about to guess ports of these NATs. */
  handleNeed(reports: readonly NatReport[], now: Instant): void {
    for (const report of reports) {
      if (!hasVaryingPorts(report)) continue;
      const isCounter = this.#predict(report).pattern.kind === "sequential";
      const count = isCounter ? COUNTER_SAMPLES : FURTHER_SAMPLES;
      this.#sampler.begin(report.linkId, serversOf(report), count, now);
    }
  }

  /** What lies behind the link may be another network. */
  forget(link: LinkId): void {
    this.#sampler.forget(link);
    this.#learnt.delete(link);
  }

  /** The report with all that is known of the ports. */
  complete(report: NatReport): NatReport {
    return hasVaryingPorts(report) ? { ...report, ports: this.#predict(report) } : report;
  }

  handleSocketOpened(linkId: LinkId | undefined, now: Instant): void {
    this.#sampler.handleSocketOpened(linkId, now);
  }

  handleMessage(message: StunMessage, from: PathAddress): boolean {
    return this.#sampler.handleMessage(message, from);
  }

  handleTimeout(now: Instant): void {
    this.#sampler.handleTimeout(now);
  }

  pollTimeout(): Instant | undefined {
    return this.#sampler.pollTimeout();
  }

  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    return this.#sampler.pollTransmit();
  }

  pollEvent(): SamplerEvent | undefined {
    return this.#sampler.pollEvent();
  }

  #predict({ linkId, ports, portSamples }: NatReport): PortPrediction {
    const further = this.#sampler.samples(linkId);
    if (further.length === 0) return ports;
    const known = this.#learnt.get(linkId);
    if (known?.of[0] === portSamples && known.of[1] === further) return known.prediction;
    const prediction = learnPorts([...portSamples, ...further], UNSEEN_MAPPINGS);
    this.#learnt.set(linkId, { of: [portSamples, further], prediction });
    return prediction;
  }
}

interface Learnt {
  readonly of: readonly [readonly PortSample[], readonly PortSample[]];
  readonly prediction: PortPrediction;
}

/** The packet to ourselves (hairpinning), whose answer shows no port. */
const UNSEEN_MAPPINGS = 1;

/** Sockets for samples are opened for IPv4 alone, where such NATs are. */
function hasVaryingPorts({ family, type, possibleMappings, portSamples }: NatReport): boolean {
  const varies = !possibleMappings.includes("endpoint-independent");
  return family === 4 && type !== "none" && varies && portSamples.length > 0;
}

/** They have answered: two ports or addresses, so that no server has to bear it all. */
function serversOf({ samples }: NatReport): UdpAddress[] {
  return samples.map(({ server }) => server).slice(0, MAX_SERVERS_ASKED);
}
