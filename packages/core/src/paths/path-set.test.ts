import { expect, it } from "vitest";
import { candidatePriority, type RemoteCandidate } from "./candidate.ts";
import { PathSet } from "./path-set.ts";

const WIRE = { address: "198.51.100.2", port: 41641 };
const HERE = { linkId: 1, remote: WIRE, channel: null };

/** One link of ours, to which no candidate of the peer's is known. */
function createSet(): PathSet {
  const set = new PathSet([], 1_440);
  const address = { address: "203.0.113.1", port: 41641 };
  set.setLinks([{ kind: "host", address, linkId: 1, priority: candidatePriority("host", 1) }]);
  return set;
}

it("the peer's call tells which of its links an address is on, also where a check came first", () => {
  const set = createSet();
  // Its socket is bound to no interface, so its checks tell of the first one.
  const path = set.learn(HERE, candidatePriority("peer-reflexive", 65_535));
  expect(path?.peerLink).toBe(65_535);
  const offered: RemoteCandidate = { kind: "host", address: WIRE, priority: candidatePriority("host", 65_534) };
  set.setRemotes([offered]);
  expect(path?.peerLink).toBe(65_534);
});

it("a check tells it of a path that was learnt from a packet", () => {
  const set = createSet();
  const path = set.learn(HERE, candidatePriority("peer-reflexive", 0));
  expect(path?.peerLink).toBe(0);
  set.learn(HERE, candidatePriority("peer-reflexive", 7));
  set.learn(HERE, candidatePriority("peer-reflexive", 9));
  expect(path?.peerLink).toBe(7);
});
