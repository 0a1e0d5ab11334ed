import { describe, expect, it } from "vitest";
import { parseIpRange } from "../addresses/index.ts";
import { classifyAddress } from "./address-class.ts";
import {
  acceptedCandidates,
  type CandidateKind,
  candidatePriority,
  type LocalCandidate,
  linkPreferenceOf,
  localityRank,
  MAX_CANDIDATES,
  offeredCandidates,
} from "./candidate.ts";

const OVERLAY = [parseIpRange("100.64.0.0/10")!, parseIpRange("fd12:3456:789a::/64")!];

function host(address: string, linkId = 1, linkPreference = 0): LocalCandidate {
  const priority = candidatePriority("host", linkPreference);
  return { kind: "host", address: { address, port: 41641 }, linkId, priority };
}

describe("address classes", () => {
  it.each([
    ["0.0.0.0", "unspecified"],
    ["9.255.255.255", "global"],
    ["10.0.0.0", "private"],
    ["10.255.255.255", "private"],
    ["100.63.255.255", "global"],
    ["100.64.0.0", "carrier-grade-nat"],
    ["100.127.255.255", "carrier-grade-nat"],
    ["100.128.0.0", "global"],
    ["127.0.0.53", "loopback"],
    ["169.254.169.254", "link-local"],
    ["172.15.255.255", "global"],
    ["172.16.0.1", "private"],
    ["172.31.255.255", "private"],
    ["172.32.0.0", "global"],
    ["192.168.255.1", "private"],
    ["224.0.0.1", "multicast"],
    ["255.255.255.255", "reserved"],
    ["::", "unspecified"],
    ["::1", "loopback"],
    ["::ffff:10.0.0.1", "reserved"],
    ["fe80::1", "link-local"],
    ["febf::1", "link-local"],
    ["fec0::1", "global"],
    ["fd00::1", "unique-local"],
    ["ff02::1", "multicast"],
    ["2001:db8::1", "global"],
    ["host.example", "invalid"],
  ] as const)("%s is %s", (address, expected) => {
    expect(classifyAddress(address)).toBe(expected);
  });
});

describe("candidates", () => {
  it("have the priorities of RFC 8445", () => {
    expect(candidatePriority("host", 65_535)).toBe(2_130_706_431);
    expect(candidatePriority("relayed", 65_535)).toBe(16_777_215);
    expect(linkPreferenceOf(candidatePriority("server-reflexive", 1_234))).toBe(1_234);
    const kinds: CandidateKind[] = ["host", "peer-reflexive", "port-mapped", "server-reflexive", "relayed"];
    const priorities = kinds.map((kind) => candidatePriority(kind, 0));
    expect(priorities).toEqual([...priorities].sort((a, b) => b - a));
  });

  it("that lead nowhere or into the tunnel are not offered", () => {
    const gathered = [
      "127.0.0.1",
      "::1",
      "169.254.1.1",
      "fe80::1",
      "100.64.0.7",
      "fd12:3456:789a::7",
      "224.0.0.1",
      "0.0.0.0",
      "192.168.1.2",
      "fd99::1",
      "2001:db8::2",
    ].map((address) => host(address));
    const offered = offeredCandidates(gathered, OVERLAY).map(({ address }) => address.address);
    expect(offered).toEqual(["192.168.1.2", "fd99::1", "2001:db8::2"]);
    expect(offeredCandidates([host("100.64.0.7")], [])).toHaveLength(1);
  });

  it("are offered once an address and link, the best first, 32 at most", () => {
    const twice = [host("192.0.2.1"), host("192.0.2.1"), host("192.0.2.1", 2, 7)];
    expect(offeredCandidates(twice, OVERLAY).map(({ linkId }) => linkId)).toEqual([2, 1]);
    const many = Array.from({ length: 40 }, (_, i) => host(`192.0.2.${i}`, 1, i));
    const offered = offeredCandidates(many, OVERLAY);
    expect(offered).toHaveLength(MAX_CANDIDATES);
    expect(offered[0]?.address.address).toBe("192.0.2.39");
  });

  it("of a peer are accepted under the same rules", () => {
    const claimed = [host("127.0.0.1"), host("fe80::1"), host("100.100.1.1"), host("192.0.2.1"), host("192.0.2.1")];
    expect(acceptedCandidates(claimed, OVERLAY)).toHaveLength(1);
    const portZero = { ...host("192.0.2.1"), address: { address: "192.0.2.1", port: 0 } };
    expect(acceptedCandidates([portZero], OVERLAY)).toEqual([]);
  });

  it("nearby rank before far ones", () => {
    const ranks = ["127.0.0.1", "169.254.1.1", "192.168.1.1", "2001:db8::1"].map(localityRank);
    expect(ranks).toEqual([3, 2, 1, 0]);
  });
});
