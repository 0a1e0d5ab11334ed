/**
 * Has the router in front of one link map a UDP port for us: by PCP (RFC 6887), NAT-PMP (RFC 6886) or UPnP-IGD.
 *
 * Life story: when the network is known, PCP and NAT-PMP are tried together for 1.75 s (one UDP port serves both, and
 * a router without PCP says so at once), then UPnP, which the shell speaks. What is granted is renewed at half of its
 * life by the protocol that brought it. Once a minute the router is asked for its epoch, which shows that it has
 * restarted and forgotten us. A failure is repeated with back-off, and at every change of the network.
 *
 * Sans-I/O: `pollTransmit` gives datagrams for UDP port 5351 of the gateway; only its answers may come to
 * `handleDatagram`. After every input drain `pollTransmit` and `pollEvent`, and set an alarm for `pollTimeout`.
 */
import { backOffDelayMs } from "../back-off.ts";
import type { UdpAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import { addMs, earliest, type Instant } from "../time.ts";
import { type Epoch, hasRestarted } from "./epoch.ts";
import { judgeExternal, NOT_CONNECTED } from "./external-address.ts";
import { encodeAddressRequest, encodeUdpMapRequest, type NatPmpAnswer, parseNatPmpAnswer } from "./nat-pmp.ts";
import { encodePcpAnnounce, encodePcpMap, type PcpAnswer, parsePcpAnswer } from "./pcp.ts";
import type {
  GatewayPlace,
  PortMapperEvent,
  PortMappingProblem,
  PortMappingProtocol,
  PortMappingState,
} from "./port-mapping-types.ts";
import {
  ATTEMPT_GAP_MS,
  CHECK_MS,
  FIRST_DELETION_MS,
  FIRST_TRY_MS,
  LIFETIME_SECONDS,
  MAX_LIFETIME_SECONDS,
  MIN_RENEWAL_MS,
  RETRY,
  TRIES,
  UPNP_LIMIT_MS,
  UPNP_RENEWAL_MS,
} from "./timings.ts";

export interface PortMapperOptions {
  readonly random: RandomBytes;
  /** The link's UDP port. */
  readonly internalPort: number;
  /** 12 bytes, the same in every run: a router lets nobody else renew or delete the mapping (RFC 6887 §11.2). */
  readonly nonce: Uint8Array;
}

interface Mapping {
  readonly protocol: PortMappingProtocol;
  readonly external: UdpAddress;
  readonly expiresAt: Instant;
  readonly renewAt: Instant;
}

type Step =
  /** Nothing is under way; what is next begins at `until`. */
  | { readonly kind: "resting"; readonly until: Instant | undefined }
  /** `probe`: PCP and NAT-PMP from scratch. The others ask by one protocol. */
  | { readonly kind: "probe" | "pcp" | "check" | "delete"; readonly tries: number; readonly nextAt: Instant }
  | { readonly kind: "nat-pmp"; readonly address: string | null; readonly tries: number; readonly nextAt: Instant }
  | { readonly kind: "upnp"; readonly nextAt: Instant }
  | { readonly kind: "closed" };

const UNSUPPORTED_VERSION = 1;

export class PortMapper {
  readonly #options: PortMapperOptions;
  #place: GatewayPlace | null = null;
  #step: Step = { kind: "resting", until: undefined };
  #mapping: Mapping | null = null;
  #problem: PortMappingProblem | null = null;
  #epoch: Epoch | null = null;
  /** Why the router does not map a port, as far as this attempt has got. */
  #refusal: PortMappingProblem | null = null;
  #failures = 0;
  #attemptedAt: Instant | undefined;
  readonly #outgoing: Uint8Array[] = []; // bounded: drained after every input
  readonly #events: PortMapperEvent[] = []; // bounded: drained after every input

  constructor(options: PortMapperOptions) {
    this.#options = options;
  }

  get state(): PortMappingState {
    return {
      protocol: this.#mapping?.protocol ?? null,
      external: this.#mapping?.external ?? null,
      expiresAt: this.#mapping?.expiresAt ?? null,
      problem: this.#problem,
    };
  }

  /** Nothing is left to do after `close`. */
  get isClosed(): boolean {
    return this.#step.kind === "closed";
  }

  /** The network is known, or may have changed; null: there is no router, or none is needed. */
  handleNetwork(place: GatewayPlace | null, now: Instant): void {
    if (this.#isClosing()) return;
    const isSame = place?.gateway === this.#place?.gateway && place?.local === this.#place?.local;
    if (isSame && place === null) return;
    this.#place = place;
    this.#failures = 0;
    if (place === null) {
      this.#step = { kind: "resting", until: undefined };
      this.#set(null, null);
      return;
    }
    if (!isSame) {
      this.#set(null, null);
      this.#epoch = null;
      this.#probe(now);
      return;
    }
    // A link that was down for a moment is what a restarting router looks like.
    const earliestAt = this.#attemptedAt === undefined ? now : addMs(this.#attemptedAt, ATTEMPT_GAP_MS);
    if (earliestAt <= now) this.#attempt(now);
    else if (this.#step.kind === "resting") this.#step = { kind: "resting", until: earliestAt };
  }

  /** From port 5351 of the gateway. Returns why it was dropped. */
  handleDatagram(bytes: Uint8Array, now: Instant): string | undefined {
    const pcp = parsePcpAnswer(bytes, this.#options.nonce);
    if (pcp !== undefined) return this.#handlePcp(pcp, now) ? undefined : "port-mapping-unexpected";
    const natPmp = parseNatPmpAnswer(bytes);
    if (natPmp !== undefined) return this.#handleNatPmp(natPmp, now) ? undefined : "port-mapping-unexpected";
    return "port-mapping-malformed";
  }

  /** The gateway has no such port. */
  handleUnreachable(now: Instant): void {
    const { kind } = this.#step;
    if (kind === "delete") this.#step = { kind: "closed" };
    else if (kind === "probe" || kind === "nat-pmp") this.#tryUpnp(now);
    else if (kind === "pcp" || kind === "check") this.#probe(now);
  }

  handleUpnpMapped(external: UdpAddress, now: Instant): void {
    if (this.#step.kind === "upnp") this.#accept("upnp", external, LIFETIME_SECONDS, now);
  }

  /** `refusal`: what the router says for people; null if there is no router that speaks UPnP. */
  handleUpnpFailed(refusal: string | null, now: Instant): void {
    if (this.#step.kind !== "upnp") return;
    if (refusal !== null) this.#noteRefusal(refused(refusal));
    this.#fail(now);
  }

  handleTimeout(now: Instant): void {
    const step = this.#step;
    if (this.#mapping !== null && now >= this.#mapping.expiresAt && !this.#isClosing()) {
      this.#set(null, this.#problem);
    }
    if (step.kind === "closed") return;
    if (step.kind === "resting") {
      if (step.until === undefined || now < step.until) return;
      if (this.#mapping === null || now >= this.#mapping.renewAt) this.#attempt(now);
      else this.#send({ kind: "check", tries: 0, nextAt: now }, now);
      return;
    }
    if (now < step.nextAt) return;
    if (step.kind === "upnp") this.#fail(now);
    else if (step.tries < TRIES) this.#send(step, now);
    else this.#giveUp(step.kind, now);
  }

  pollTimeout(): Instant | undefined {
    const step = this.#step;
    if (step.kind === "closed") return undefined;
    return earliest(step.kind === "resting" ? step.until : step.nextAt, this.#mapping?.expiresAt);
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#outgoing.shift();
  }

  pollEvent(): PortMapperEvent | undefined {
    return this.#events.shift();
  }

  /** Asks for the mapping's deletion; `isClosed` when there is nothing more to wait for, 0.7 s later at most. */
  close(now: Instant): void {
    if (this.#isClosing()) return;
    const mapping = this.#mapping;
    const place = this.#place;
    if (mapping === null || place === null) {
      this.#step = { kind: "closed" };
    } else if (mapping.protocol === "upnp") {
      this.#step = { kind: "closed" };
      this.#events.push({ kind: "upnp-unmap", ...place, ...this.#ports() });
    } else {
      this.#send({ kind: "delete", tries: 0, nextAt: now }, now);
    }
  }

  // Steps

  /** By the protocol that worked last, else from scratch. */
  #attempt(now: Instant): void {
    switch (this.#mapping?.protocol) {
      case "pcp":
        this.#begin({ kind: "pcp", tries: 0, nextAt: now }, now);
        return;
      case "nat-pmp":
        this.#begin({ kind: "nat-pmp", address: null, tries: 0, nextAt: now }, now);
        return;
      case "upnp":
        this.#attemptedAt = now;
        this.#tryUpnp(now);
        return;
      default:
        this.#probe(now);
    }
  }

  #probe(now: Instant): void {
    this.#begin({ kind: "probe", tries: 0, nextAt: now }, now);
  }

  #begin(step: Extract<Step, { tries: number }>, now: Instant): void {
    this.#attemptedAt = now;
    this.#refusal = null;
    this.#send(step, now);
  }

  /** The first one counts, unless a later one explains it. */
  #noteRefusal(problem: PortMappingProblem): void {
    if (this.#refusal === null || problem.code === "not-connected") this.#refusal = problem;
  }

  #tryUpnp(now: Instant): void {
    if (this.#place === null) return;
    this.#step = { kind: "upnp", nextAt: addMs(now, UPNP_LIMIT_MS) };
    this.#events.push({ kind: "upnp-map", ...this.#place, ...this.#ports(), lifetimeSeconds: LIFETIME_SECONDS });
  }

  #giveUp(kind: Extract<Step, { tries: number }>["kind"], now: Instant): void {
    if (kind === "delete") this.#step = { kind: "closed" };
    else if (kind === "probe" || kind === "nat-pmp") this.#tryUpnp(now);
    else this.#probe(now);
  }

  #fail(now: Instant): void {
    const text = `the router ${this.#place?.gateway ?? ""} answers neither PCP, NAT-PMP nor UPnP`;
    const problem = this.#refusal ?? { code: "no-answer", text };
    const delayMs = backOffDelayMs(RETRY, this.#failures++, this.#options.random);
    this.#step = { kind: "resting", until: addMs(now, delayMs) };
    this.#set(null, problem);
  }

  #accept(protocol: PortMappingProtocol, external: UdpAddress, lifetimeSeconds: number, now: Instant): void {
    const lifetimeMs = Math.min(lifetimeSeconds, MAX_LIFETIME_SECONDS) * 1_000;
    const halfMs = Math.max(MIN_RENEWAL_MS, lifetimeMs / 2);
    const renewAt = addMs(now, protocol === "upnp" ? Math.min(halfMs, UPNP_RENEWAL_MS) : halfMs);
    this.#failures = 0;
    this.#rest(renewAt, protocol, now);
    this.#set({ protocol, external, expiresAt: addMs(now, lifetimeMs), renewAt }, judgeExternal(external.address));
  }

  #rest(renewAt: Instant, protocol: PortMappingProtocol, now: Instant): void {
    const checkAt = protocol === "upnp" ? undefined : addMs(now, CHECK_MS);
    this.#step = { kind: "resting", until: earliest(renewAt, checkAt) };
  }

  #set(mapping: Mapping | null, problem: PortMappingProblem | null): void {
    const before = JSON.stringify(this.state);
    this.#mapping = mapping;
    this.#problem = problem;
    if (JSON.stringify(this.state) !== before) this.#events.push({ kind: "changed" });
  }

  #isClosing(): boolean {
    return this.#step.kind === "closed" || this.#step.kind === "delete";
  }

  #ports(): { internalPort: number; externalPort: number } {
    const { internalPort } = this.#options;
    return { internalPort, externalPort: this.#mapping?.external.port ?? internalPort };
  }

  // Requests

  #send(step: Extract<Step, { tries: number }>, now: Instant): void {
    if (this.#place === null) return;
    const firstMs = step.kind === "delete" ? FIRST_DELETION_MS : FIRST_TRY_MS;
    this.#step = { ...step, tries: step.tries + 1, nextAt: addMs(now, firstMs * 2 ** step.tries) };
    this.#outgoing.push(...this.#requests(step, this.#place));
  }

  #requests(step: Extract<Step, { tries: number }>, place: GatewayPlace): Uint8Array[] {
    const { internalPort, externalPort } = this.#ports();
    const isPcp = this.#mapping?.protocol === "pcp";
    switch (step.kind) {
      case "probe":
        // A router that has PCP prefers it; one that does not answer may know NAT-PMP only.
        return [this.#pcpMap(place, LIFETIME_SECONDS), ...(step.tries === 0 ? [] : [encodeAddressRequest()])];
      case "pcp":
        return [this.#pcpMap(place, LIFETIME_SECONDS)];
      case "nat-pmp":
        return [
          ...(step.address === null ? [encodeAddressRequest()] : []),
          ...(step.address === null && step.tries === 0
            ? []
            : [encodeUdpMapRequest(internalPort, externalPort, LIFETIME_SECONDS)]),
        ];
      case "check":
        return [isPcp ? encodePcpAnnounce(place.local) : encodeAddressRequest()];
      case "delete":
        return [isPcp ? this.#pcpMap(place, 0) : encodeUdpMapRequest(internalPort, 0, 0)];
    }
  }

  #pcpMap({ local }: GatewayPlace, lifetimeSeconds: number): Uint8Array {
    const isDeletion = lifetimeSeconds === 0;
    return encodePcpMap({
      clientAddress: local,
      nonce: this.#options.nonce,
      ...this.#ports(),
      ...(isDeletion ? { externalPort: 0 } : {}),
      externalAddress: isDeletion ? null : (this.#mapping?.external.address ?? null),
      lifetimeSeconds,
    });
  }

  // Answers: true if it was waited for

  #handlePcp(answer: PcpAnswer, now: Instant): boolean {
    const { kind } = this.#step;
    if (kind === "delete") {
      this.#step = { kind: "closed" };
      return true;
    }
    if (answer.kind === "refused") return this.#handlePcpRefusal(answer.resultCode, now);
    if (answer.kind === "announce") return kind === "check" && this.#handleAlive(answer.epochSeconds, true, now);
    const { externalAddress, externalPort, internalPort, lifetimeSeconds } = answer;
    if (kind !== "probe" && kind !== "pcp") return false;
    if (internalPort !== this.#options.internalPort || externalPort === 0 || lifetimeSeconds === 0) return false;
    this.#epoch = { seconds: answer.epochSeconds, readAt: now };
    this.#accept("pcp", { address: externalAddress, port: externalPort }, lifetimeSeconds, now);
    return true;
  }

  #handlePcpRefusal(resultCode: number, now: Instant): boolean {
    const { kind } = this.#step;
    if (kind === "check" && this.#mapping !== null) {
      // It does not know the opcode, but it is there.
      this.#rest(this.#mapping.renewAt, this.#mapping.protocol, now);
      return true;
    }
    if (kind !== "probe" && kind !== "pcp") return false;
    if (resultCode !== UNSUPPORTED_VERSION) this.#noteRefusal(pcpRefusal(resultCode));
    this.#send({ kind: "nat-pmp", address: null, tries: 0, nextAt: now }, now);
    return true;
  }

  #handleNatPmp(answer: NatPmpAnswer, now: Instant): boolean {
    const step = this.#step;
    switch (step.kind) {
      case "delete":
        if (answer.kind === "address") return false;
        this.#step = { kind: "closed" };
        return true;
      case "probe":
      case "pcp":
        return this.#handleFirstNatPmp(answer, now);
      case "nat-pmp":
        return this.#handleNatPmpStep(answer, step, now);
      case "check":
        if (answer.kind !== "address") return false;
        return this.#handleAlive(answer.epochSeconds, answer.address === this.#mapping?.external.address, now);
      default:
        return false;
    }
  }

  /** The router does not know PCP. */
  #handleFirstNatPmp(answer: NatPmpAnswer, now: Instant): boolean {
    if (answer.kind === "mapped") return false;
    const address = answer.kind === "address" ? answer.address : null;
    if (answer.kind === "refused" && answer.resultCode !== UNSUPPORTED_VERSION) return false;
    this.#send({ kind: "nat-pmp", address, tries: 0, nextAt: now }, now);
    return true;
  }

  #handleNatPmpStep(answer: NatPmpAnswer, step: Extract<Step, { kind: "nat-pmp" }>, now: Instant): boolean {
    if (answer.kind === "refused") {
      // A late answer to what was asked by PCP.
      if (answer.resultCode === UNSUPPORTED_VERSION) return false;
      this.#noteRefusal(natPmpRefusal(answer.resultCode));
      this.#tryUpnp(now);
      return true;
    }
    if (answer.kind === "address") {
      if (step.address !== null) return false;
      this.#send({ ...step, address: answer.address, tries: 0 }, now);
      return true;
    }
    const { internalPort, externalPort, lifetimeSeconds } = answer;
    if (step.address === null || internalPort !== this.#options.internalPort) return false;
    if (externalPort === 0 || lifetimeSeconds === 0) return false;
    this.#epoch = { seconds: answer.epochSeconds, readAt: now };
    this.#accept("nat-pmp", { address: step.address, port: externalPort }, lifetimeSeconds, now);
    return true;
  }

  #handleAlive(epochSeconds: number, isSameAddress: boolean, now: Instant): boolean {
    if (this.#mapping === null) return false;
    const epoch = { seconds: epochSeconds, readAt: now };
    const isForgotten = this.#epoch === null || hasRestarted(this.#epoch, epoch) || !isSameAddress;
    this.#epoch = epoch;
    if (isForgotten) this.#attempt(now);
    else this.#rest(this.#mapping.renewAt, this.#mapping.protocol, now);
    return true;
  }
}

function refused(why: string): PortMappingProblem {
  return { code: "refused", text: `the router refuses to map a port: ${why}` };
}

/** RFC 6887 §7.4. */
function pcpRefusal(resultCode: number): PortMappingProblem {
  if (resultCode === 7) return NOT_CONNECTED;
  return refused(resultCode === 2 ? "it does not allow it (PCP)" : `PCP result ${resultCode}`);
}

/** RFC 6886 §3.5. */
function natPmpRefusal(resultCode: number): PortMappingProblem {
  if (resultCode === 3) return NOT_CONNECTED;
  return refused(resultCode === 2 ? "it does not allow it (NAT-PMP)" : `NAT-PMP result ${resultCode}`);
}
