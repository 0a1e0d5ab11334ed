/**
 * TURN client for one relay over one transport (RFC 8656).
 *
 * Life story: `start` asks for an allocation (over a stream, after the owner has opened it): once without credentials,
 * and again with what the relay's challenge needs. From then on the allocation is refreshed every 15 s. Peers that are
 * wanted (`bindChannel`, `permit`) are bound at the relay and bound again every 4 minutes. If the relay falls silent, has
 * forgotten the allocation, or refuses, a `failed` event says why and when it will be tried again, with back-off; wishes
 * stay, with their channel numbers, and are bound anew. `close` gives the allocation back.
 *
 * The machine sees control messages and Data indications. Data in channels is the packet engine's, which knows a channel
 * as a path; only over a stream, and where no engine strips it, does ChannelData come through here.
 *
 * Sans-I/O: after every input drain `pollTransmit` and `pollEvent`, and set an alarm for `pollTimeout`. No input throws;
 * what is not acted upon is counted in the snapshot.
 */
import { type PathAddress, type UdpAddress, udpAddressEquals } from "../net/index.ts";
import { looksLikeStun, parseStun, type StunMessage } from "../stun/index.ts";
import { addMs, type Instant } from "../time.ts";
import { type Allocation, prolong, readAllocation, readLifetime } from "./allocation.ts";
import { AllocationPeers } from "./allocation-peers.ts";
import { TURN_ERROR } from "./attribute-types.ts";
import { TurnAuthentication } from "./authentication.ts";
import type {
  TurnClientEvent,
  TurnClientOptions,
  TurnClientSnapshot,
  TurnClientState,
  TurnDropReason,
  TurnFailure,
  TurnTimerReason,
} from "./client-types.ts";
import type { TurnCredentials } from "./credentials.ts";
import { FailureRecord } from "./failure-record.ts";
import { RelayServer } from "./relay-server.ts";
import { type TurnAnswer, type TurnRequest, TurnRequests } from "./requests.ts";
import { TurnStreamReader } from "./stream-reader.ts";
import {
  CONNECT_MS,
  MAX_CHALLENGES,
  MAX_IN_FLIGHT,
  MAX_SILENT_REFRESHES,
  MIN_REFRESH_MS,
  STABLE_MS,
} from "./timings.ts";
import { allocateFailure, allocationFailure, isChallenge } from "./turn-failures.ts";
import { allocateRequest, refreshRequest } from "./turn-request.ts";

type ErrorAnswer = Extract<TurnAnswer, { kind: "error" }>;

/** Weight of a new round trip in the smoothed one. */
const RTT_SMOOTHING = 1 / 4;

export class TurnClient {
  readonly #options: TurnClientOptions;
  readonly #requests: TurnRequests;
  readonly #peers: AllocationPeers;
  readonly #server: RelayServer;
  readonly #failures: FailureRecord;
  readonly #events: TurnClientEvent[] = []; // bounded: by `AllocationPeers`, and one per request
  readonly #drops: Partial<Record<TurnDropReason, number>> = {};
  #authentication: TurnAuthentication;
  /** For the next allocation: one allocation keeps its username (RFC 8656 §5). */
  #credentials: TurnCredentials;
  #reader = new TurnStreamReader();
  #state: TurnClientState = "idle";
  #allocation: Allocation | undefined;
  #connectBy: Instant | undefined;
  #retryAt: Instant | undefined;
  #rttMs: number | null = null;
  #unansweredSince: Instant | undefined;
  #hasCleared = false;

  constructor(options: TurnClientOptions) {
    this.#options = options;
    this.#credentials = options.credentials;
    this.#authentication = new TurnAuthentication(options.credentials);
    this.#server = new RelayServer(options.server);
    this.#failures = new FailureRecord(options.random);
    this.#requests = new TurnRequests(this.#serverPath(), options.transport === "stream", options.random);
    this.#peers = new AllocationPeers(options.random, this.#events);
  }

  get state(): TurnClientState {
    return this.#state;
  }

  /** The relay's address; another one than was given if the relay has sent us elsewhere. */
  get server(): UdpAddress {
    return this.#server.address;
  }

  /** When the first request left since the relay answered last, whatever it said; undefined if none did. */
  get unansweredSince(): Instant | undefined {
    return this.#unansweredSince;
  }

  /** Asks for an allocation, once. */
  start(now: Instant): void {
    if (this.#state === "idle") this.#begin(now);
  }

  /** The stream that a `connect` event asked for is open. */
  handleStreamOpen(now: Instant): void {
    if (this.#state === "connecting") this.#allocate(now);
  }

  /** The stream is closed or could not be opened. */
  handleStreamClosed(now: Instant): void {
    if (this.#options.transport !== "stream") return;
    if (this.#state === "closing") this.#finishClosing();
    else if (this.#isBusy()) this.#fail("stream-closed", null, now);
  }

  /** A datagram from `from`. Undefined if it was acted upon. */
  handleDatagram(bytes: Uint8Array, from: PathAddress, now: Instant): TurnDropReason | undefined {
    const isFromRelay =
      this.#options.transport === "udp" &&
      from.channel === null &&
      from.linkId === this.#options.linkId &&
      udpAddressEquals(from.remote, this.#server.address);
    return this.#count(isFromRelay ? this.#handleFrame(bytes, now) : "turn-not-from-relay");
  }

  /** Bytes of the stream, in order, cut anywhere. */
  handleStream(chunk: Uint8Array, now: Instant): void {
    if (!this.#isBusy() && this.#state !== "closing") return;
    const reader = this.#reader;
    const before = { ...reader.drops };
    for (const { bytes } of reader.handleStream(chunk)) this.#count(this.#handleFrame(bytes, now));
    const tooLong = (reader.drops["stream-frame-too-long"] ?? 0) - (before["stream-frame-too-long"] ?? 0);
    if (tooLong > 0) this.#count("stream-frame-too-long", tooLong);
    if (!reader.isOutOfStep || reader !== this.#reader) return;
    this.#count("stream-out-of-step");
    if (this.#state === "closing") this.#finishClosing();
    else if (this.#isBusy()) this.#fail("stream-out-of-step", null, now);
  }

  handleTimeout(now: Instant): void {
    for (const request of this.#requests.handleTimeout(now)) this.#handleSilence(request, now);
    if (this.#connectBy !== undefined && now >= this.#connectBy) this.#fail("relay-silent", null, now);
    if (this.#retryAt !== undefined && now >= this.#retryAt) this.#begin(now);
    const allocation = this.#allocation;
    if (allocation?.refreshAt !== undefined && now >= allocation.refreshAt) this.#refresh(allocation, now);
    this.#sendBindings(now);
  }

  /** The host slept, or the relayed path is in doubt: ask the relay at once, and don't wait for the back-off. */
  handleResume(now: Instant): void {
    if (this.#retryAt !== undefined) this.#begin(now);
    else if (this.#allocation?.refreshAt !== undefined) this.#refresh(this.#allocation, now);
  }

  /** Newer credentials; they serve from the next allocation on, which is tried at once if the former ones were refused. */
  setCredentials(credentials: TurnCredentials, now: Instant): void {
    this.#credentials = credentials;
    if (this.#state === "waiting" && this.#retryAt === undefined) this.#begin(now);
  }

  /**
   * Wants data to travel to and from this peer. Returns the channel that will carry it, 0x4000–0x4FFF, which is the same
   * for as long as the peer is wanted; a `channel-bound` event tells each time that it works. Undefined if there are
   * too many peers.
   */
  bindChannel(peer: UdpAddress, now: Instant): number | undefined {
    const binding = this.#peers.want(peer, "channel", now);
    this.#sendBindings(now);
    return binding?.channel ?? undefined;
  }

  /** Lets peers at this address send Data indications, whatever their port. False if there are too many peers. */
  permit(address: string, now: Instant): boolean {
    const binding = this.#peers.want({ address, port: 0 }, "permission", now);
    this.#sendBindings(now);
    return binding !== undefined;
  }

  /** The peer is wanted no more; at the relay its channel runs out. */
  releaseChannel(peer: UdpAddress, now: Instant): void {
    this.#peers.release(peer, "channel", now);
  }

  /** Gives the allocation back; `closed` follows. */
  close(now: Instant): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    // While one is asked for, it may be there already.
    const mayHaveAllocation = this.#allocation !== undefined || this.#state === "allocating";
    this.#forgetAllocation();
    if (!mayHaveAllocation) {
      this.#finishClosing();
      return;
    }
    this.#state = "closing";
    this.#send(refreshRequest("close"), now);
  }

  pollTimeout(): { readonly at: Instant; readonly reason: TurnTimerReason } | undefined {
    const canBind = this.#allocation !== undefined && this.#requests.size < MAX_IN_FLIGHT;
    let first: ReturnType<TurnClient["pollTimeout"]>;
    const consider = (at: Instant | undefined, reason: TurnTimerReason): void => {
      if (at !== undefined && (first === undefined || at < first.at)) first = { at, reason };
    };
    consider(this.#requests.pollTimeout(), "answer");
    consider(this.#connectBy, "connect");
    consider(this.#retryAt, "retry");
    consider(this.#allocation?.refreshAt, "refresh");
    if (canBind) consider(this.#peers.nextAt(), "binding");
    return first;
  }

  /** For a stream only the bytes count. */
  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    return this.#requests.pollTransmit();
  }

  pollEvent(): TurnClientEvent | undefined {
    return this.#events.shift();
  }

  snapshot(): TurnClientSnapshot {
    return {
      state: this.#state,
      server: this.#server.address,
      relayedAddresses: this.#allocation?.relayedAddresses ?? [],
      mappedAddress: this.#allocation?.mappedAddress ?? null,
      expiresAt: this.#allocation?.expiresAt ?? null,
      rttMs: this.#rttMs,
      lastFailure: this.#failures.last,
      retryAt: this.#retryAt ?? null,
      peers: this.#peers.snapshot(),
      drops: { ...this.#drops },
    };
  }

  // What comes in

  #handleFrame(bytes: Uint8Array, now: Instant): TurnDropReason | undefined {
    const hasAllocation = this.#allocation !== undefined;
    if (!looksLikeStun(bytes)) return this.#peers.handleChannelData(bytes, hasAllocation);
    const parsed = parseStun(bytes);
    if (!parsed.ok) return parsed.reason;
    const { message } = parsed;
    if (message.class === "indication")
      return hasAllocation ? this.#peers.handleIndication(message) : "turn-unexpected";
    const answer = this.#requests.handleMessage(message, this.#authentication, now);
    if (typeof answer === "string") return answer;
    this.#handleAnswer(answer, now);
    this.#sendBindings(now);
    return undefined;
  }

  #handleAnswer(answer: TurnAnswer, now: Instant): void {
    this.#unansweredSince = undefined;
    if (answer.kind === "error") this.#handleError(answer, now);
    else this.#handleSuccess(answer, now);
  }

  #handleSuccess({ request, message, rttMs }: Extract<TurnAnswer, { kind: "success" }>, now: Instant): void {
    if (rttMs !== undefined)
      this.#rttMs = this.#rttMs === null ? rttMs : this.#rttMs + (rttMs - this.#rttMs) * RTT_SMOOTHING;
    const { purpose } = request;
    if (purpose === "allocate") this.#handleAllocated(message, now);
    else if (purpose === "clear") this.#allocate(now);
    else if (purpose === "close") this.#finishClosing();
    else if (purpose === "refresh") this.#handleRefreshed(message, now);
    else this.#peers.handleGranted(request, now);
  }

  #handleAllocated(message: StunMessage, now: Instant): void {
    const allocation = readAllocation(message, now);
    if (allocation === undefined) {
      this.#fail("answer-malformed", null, now);
      return;
    }
    this.#state = "allocated";
    this.#allocation = allocation;
    this.#hasCleared = false;
    this.#peers.reset(now);
    const { relayedAddresses, mappedAddress, lifetimeSeconds } = allocation;
    this.#events.push({
      kind: "allocated",
      relayedAddresses,
      mappedAddress,
      lifetimeSeconds,
      server: this.#server.address,
    });
  }

  #handleRefreshed(message: StunMessage, now: Instant): void {
    const lifetimeSeconds = readLifetime(message);
    if (this.#allocation === undefined) return;
    if (lifetimeSeconds === undefined) this.#fail("answer-malformed", null, now);
    else prolong(this.#allocation, lifetimeSeconds, now);
  }

  // What goes wrong

  #handleError(answer: ErrorAnswer, now: Instant): void {
    const { code } = answer.error;
    const { purpose } = answer.request;
    if (isChallenge(code) && this.#meetChallenge(answer, now)) return;
    const failure = allocationFailure(code);
    if (purpose === "close") this.#finishClosing();
    else if (purpose === "clear") this.#fail("allocation-mismatch", code, now);
    else if (purpose === "allocate") this.#handleAllocateError(answer, now);
    else if (failure !== undefined) this.#fail(failure, code, now);
    else if (purpose === "refresh") this.#postponeRefresh(now);
    else this.#peers.handleError(answer, now);
  }

  /** Sends the request again with the relay's nonce; false if that makes no sense. */
  #meetChallenge({ request, message, wasSigned, error }: ErrorAnswer, now: Instant): boolean {
    const challenges = request.challenges ?? 0;
    // A 401 to a signed request may mean a nonce from before a restart, but not twice.
    const isRefusal = error.code === TURN_ERROR.unauthenticated && wasSigned && challenges >= 2;
    if (isRefusal || challenges >= MAX_CHALLENGES || !this.#authentication.handleChallenge(message)) return false;
    this.#send({ ...request, challenges: challenges + 1 }, now);
    return true;
  }

  #handleAllocateError(answer: ErrorAnswer, now: Instant): void {
    const { code } = answer.error;
    if (code === TURN_ERROR.tryAlternate) this.#redirect(answer.message, now);
    else if (code === TURN_ERROR.allocationMismatch && !this.#hasCleared) {
      // An allocation from before a restart of ours is in the way: the port is the same.
      this.#hasCleared = true;
      this.#send(refreshRequest("clear"), now);
    } else this.#fail(allocateFailure(code), code, now);
  }

  #handleSilence(request: TurnRequest, now: Instant): void {
    const { purpose } = request;
    if (purpose === "close") this.#finishClosing();
    else if (purpose === "allocate" || purpose === "clear") this.#fail("relay-silent", null, now);
    else if (purpose !== "refresh") this.#peers.handleSilence(request, now);
    else if (this.#allocation !== undefined) {
      this.#allocation.silentRefreshes += 1;
      if (this.#allocation.silentRefreshes >= MAX_SILENT_REFRESHES) this.#fail("relay-silent", null, now);
      else this.#refresh(this.#allocation, now);
    }
  }

  #postponeRefresh(now: Instant): void {
    if (this.#allocation === undefined) return;
    if (now >= this.#allocation.expiresAt) this.#fail("allocation-lost", null, now);
    else this.#allocation.refreshAt = addMs(now, MIN_REFRESH_MS);
  }

  #fail(reason: TurnFailure, code: number | null, now: Instant): void {
    const hadLasted = this.#allocation !== undefined && now - this.#allocation.allocatedAt >= STABLE_MS;
    const hasNewer = this.#credentials.username !== this.#authentication.username;
    const isFinal = reason === "credentials-refused" && !hasNewer;
    const retryAt = this.#failures.add({ reason, code, hadLasted, isFinal }, now);
    this.#forgetAllocation();
    this.#state = "waiting";
    this.#retryAt = retryAt ?? undefined;
    this.#events.push({ kind: "failed", reason, code, retryAt });
  }

  /** ALTERNATE-SERVER (RFC 8489 §10). */
  #redirect(message: StunMessage, now: Instant): void {
    const failure = this.#server.redirect(message);
    if (failure === undefined) this.#connect(now);
    else this.#fail(failure, TURN_ERROR.tryAlternate, now);
  }

  // What goes out

  /** From the beginning, at the relay that was given. */
  #begin(now: Instant): void {
    this.#server.reset();
    this.#hasCleared = false;
    this.#connect(now);
  }

  #connect(now: Instant): void {
    this.#retryAt = undefined;
    this.#authentication = new TurnAuthentication(this.#credentials);
    this.#requests.restart(this.#serverPath());
    if (this.#options.transport === "udp") {
      this.#allocate(now);
      return;
    }
    this.#reader = new TurnStreamReader();
    this.#state = "connecting";
    this.#connectBy = addMs(now, CONNECT_MS);
    this.#events.push({ kind: "connect", server: this.#server.address });
  }

  #allocate(now: Instant): void {
    this.#connectBy = undefined;
    this.#state = "allocating";
    this.#send(allocateRequest(this.#options.families ?? [4]), now);
  }

  #refresh(allocation: Allocation, now: Instant): void {
    allocation.refreshAt = undefined;
    this.#send(refreshRequest("refresh"), now);
  }

  #sendBindings(now: Instant): void {
    if (this.#allocation === undefined) return;
    while (this.#requests.size < MAX_IN_FLIGHT) {
      const request = this.#peers.takeRequest(this.#allocation, now);
      if (request === undefined) return;
      this.#send(request, now);
    }
  }

  #send(request: TurnRequest, now: Instant): void {
    this.#unansweredSince ??= now;
    this.#requests.send(request, this.#authentication, this.#rttMs, now);
  }

  #forgetAllocation(): void {
    this.#allocation = undefined;
    this.#connectBy = undefined;
    this.#retryAt = undefined;
    this.#requests.restart(this.#serverPath());
  }

  #finishClosing(): void {
    this.#forgetAllocation();
    this.#state = "closed";
    this.#events.push({ kind: "closed" });
  }

  #isBusy(): boolean {
    return this.#state === "connecting" || this.#state === "allocating" || this.#state === "allocated";
  }

  #serverPath(): PathAddress {
    return { linkId: this.#options.linkId, remote: this.#server.address, channel: null };
  }

  #count(reason: TurnDropReason | undefined, times = 1): TurnDropReason | undefined {
    if (reason !== undefined) this.#drops[reason] = (this.#drops[reason] ?? 0) + times;
    return reason;
  }
}
