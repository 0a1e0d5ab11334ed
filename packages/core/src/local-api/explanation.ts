import { type Static, Type } from "typebox";
import { nullable } from "../control/scalars.ts";
import { Advice, Behaviour, Endpoint, NextPorts, ProxyCheck, RelayCheck } from "./netcheck.ts";
import { ModeInForce, PathSpread } from "./path-use.ts";

/** What `asterism explain PEER --json` prints and the agent's local API answers; docs/local-api.md describes the fields. */

const Time = Type.String();
const PathKind = Type.Enum(["direct", "relayed", "none"] as const);
const CandidateKind = Type.Enum(["host", "server-reflexive", "peer-reflexive", "port-mapped", "relayed"] as const);

/** One end's NAT, by one IP version. */
export const NatSide = Type.Object({
  ipVersion: Type.Enum([4, 6] as const),
  /** Folk name, see `LinkCheck`. */
  type: Type.String(),
  mapping: Behaviour,
  filtering: Behaviour,
  udp: nullable(Type.Boolean()),
});
export type NatSide = Static<typeof NatSide>;

/** A path in words: how the packets run, or ran. */
export const PathWords = Type.Object({
  kind: PathKind,
  remote: nullable(Endpoint),
  link: nullable(Type.String()),
  /** Name of the relay, or its address. */
  relay: nullable(Type.String()),
  rttMs: nullable(Type.Number()),
});
export type PathWords = Static<typeof PathWords>;

/** One address of the peer's that was tried. */
export const TriedPath = Type.Object({
  remote: Endpoint,
  candidate: CandidateKind,
  kind: Type.Enum(["direct", "relayed"] as const),
  /** Our relay through which it was tried, null without. */
  via: nullable(Type.String()),
  link: nullable(Type.String()),
  state: Type.Enum(["active", "standby", "checking", "failed"] as const),
  rttMs: nullable(Type.Number()),
  /** Of the last checks; of packets, see `spread`. */
  lossRatio: Type.Number(),
  /** Of what is sent to the peer lately, 0–1. */
  share: Type.Number(),
  /** What was learnt since packets are spread over several paths; null while they are not. */
  spread: nullable(PathSpread),
  /** Why it carries nothing although it works; null if it carries, or does not work. */
  idleBecause: nullable(Type.String()),
  /** Small packets pass, and large ones vanish. */
  smallPacketsOnly: Type.Boolean(),
  /** When it last answered a check. */
  answeredAt: nullable(Time),
  /** When something of the peer's last came this way. */
  heardAt: nullable(Time),
});
export type TriedPath = Static<typeof TriedPath>;

export const PathChange = Type.Object({ at: Time, from: PathWords, to: PathWords, why: Type.String() });
export type PathChange = Static<typeof PathChange>;

export const PathAttempt = Type.Object({
  at: Time,
  remote: Endpoint,
  candidate: CandidateKind,
  via: nullable(Type.String()),
  link: nullable(Type.String()),
  result: Type.Enum(["answered", "no-answer", "lost", "removed"] as const),
  /** From the first check to the first answer. */
  afterMs: nullable(Type.Number()),
  why: Type.String(),
});
export type PathAttempt = Static<typeof PathAttempt>;

/** One attempt to guess a port that fits (docs/protocol-paths.md §8). */
export const PunchAttempt = Type.Object({
  at: Time,
  /** What this side did: opened many sockets, sent to many ports, or opened sockets towards the port that is foretold. */
  role: Type.Union([Type.Literal("sockets"), Type.Literal("ports"), Type.Literal("aimed")]),
  result: Type.Union([
    Type.Literal("direct"),
    Type.Literal("no-hit"),
    Type.Literal("not-proven"),
    Type.Literal("refused"),
    Type.Literal("unanswered"),
    Type.Literal("given-up"),
  ]),
  /** Sent by this side, with their IP and UDP headers. */
  packets: Type.Number(),
  bytes: Type.Number(),
  afterMs: Type.Number(),
  /** Why the peer has refused, null if it has not. */
  refusal: nullable(Type.String()),
});
export type PunchAttempt = Static<typeof PunchAttempt>;

export const Punching = Type.Object({
  state: Type.Union([
    Type.Literal("off"),
    Type.Literal("idle"),
    Type.Literal("waiting"),
    Type.Literal("proposed"),
    Type.Literal("running"),
  ]),
  /** Of late, the newest last. */
  attempts: Type.Array(PunchAttempt),
  /** In a row, that did not hit. */
  failures: Type.Number(),
  /** Until when the next one waits; null: it need not. */
  notBeforeInMs: nullable(Type.Number()),
});
export type Punching = Static<typeof Punching>;

export const PeerExplanation = Type.Object({
  network: Type.String(),
  checkedAt: Time,
  server: Type.Object({ url: Type.String(), connected: Type.Boolean() }),
  /** Null if none is named, neither by a setting nor by the environment. */
  proxy: nullable(ProxyCheck),
  peer: Type.Object({
    name: Type.String(),
    fqdn: Type.String(),
    ipv4: Type.String(),
    ipv6: Type.String(),
    kind: Type.Enum(["agent", "stock", "refused"] as const),
    online: Type.Boolean(),
    /** What keeps a tunnel from coming up, whatever the paths. */
    problem: nullable(Type.Object({ code: Type.String(), text: Type.String() })),
    /** Why its last call was not taken. */
    callProblem: nullable(Type.String()),
  }),
  /** How packets travel now. */
  path: PathWords,
  pathSince: nullable(Time),
  /** How packets for the peer use the paths; null for a stock client, which is sent to by one. */
  mode: nullable(ModeInForce),
  lastHandshake: nullable(Time),
  /** Round trip of an echo through the tunnel, sent for this report; null if none was answered. */
  echoMs: nullable(Type.Number()),
  nat: Type.Object({
    here: Type.Array(NatSide),
    /** As the peer tells in its calls; null if it has not told. */
    there: nullable(Type.Array(NatSide)),
  }),
  /** Where the NATs of each end will likely map new sockets to, where that matters; `there` as the peer tells. */
  nextPorts: Type.Object({ here: Type.Array(NextPorts), there: Type.Array(NextPorts) }),
  /** Whether UDP passes at each end, null if not known. */
  udp: Type.Object({ here: nullable(Type.Boolean()), there: nullable(Type.Boolean()) }),
  portMapping: Type.Object({
    here: Type.Array(Endpoint),
    there: Type.Array(Endpoint),
    /** Why there is none here, null if there is one or nobody was asked. */
    problem: nullable(Type.String()),
  }),
  candidates: Type.Object({
    here: Type.Array(Type.Object({ candidate: CandidateKind, address: Endpoint, relay: nullable(Type.String()) })),
    there: Type.Array(Type.Object({ candidate: CandidateKind, address: Endpoint })),
  }),
  /** How the two ends last told each other where they are, by names of members; the peer's own: inside the tunnel. */
  calls: Type.Object({
    /** Null if there was none; `members` passed it on, perhaps beside the server. */
    sent: nullable(Type.Object({ at: Time, byServer: Type.Boolean(), members: Type.Array(Type.String()) })),
    /** The member that has forwarded it; null: it came through the server. */
    received: nullable(Type.Object({ at: Time, forwardedBy: nullable(Type.String()) })),
  }),
  relays: Type.Array(RelayCheck),
  /** Every path that was tried, the best first. */
  tried: Type.Array(TriedPath),
  /** When a direct path is looked for next, null if none is planned. */
  nextAttempt: nullable(Time),
  nextAttemptInMs: nullable(Type.Number()),
  /** In a row. */
  attemptsWithoutDirect: Type.Number(),
  /** Guessing of ports; null for a stock client. */
  punching: nullable(Punching),
  history: Type.Object({ changes: Type.Array(PathChange), attempts: Type.Array(PathAttempt) }),
  /** Packets through the tunnel, and how many of them by a relay. */
  traffic: Type.Object({
    txPackets: Type.Number(),
    rxPackets: Type.Number(),
    txRelayedPackets: Type.Number(),
    rxRelayedPackets: Type.Number(),
  }),
  /** Checks of the peer that were not acted upon, by reason. */
  drops: Type.Record(Type.String(), Type.Number()),
  advice: Advice,
  /** What is to be said about the use of several paths; null if nothing. */
  modeAdvice: nullable(Advice),
});
export type PeerExplanation = Static<typeof PeerExplanation>;
