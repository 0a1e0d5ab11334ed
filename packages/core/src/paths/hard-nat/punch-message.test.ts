import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PunchMessage, parsePunch, punchFields } from "./punch-message.ts";

const PROPOSAL: PunchMessage = { step: "propose", role: "ports", from: { address: "203.0.113.1", port: 7_000 } };

describe("what calls say about punching", () => {
  it.each<PunchMessage>([
    PROPOSAL,
    { ...PROPOSAL, step: "accept" },
    { ...PROPOSAL, step: "refuse", why: "busy" },
    { ...PROPOSAL, role: "aimed", furtherPorts: [7_048, 7_096] },
  ])("comes over the wire: %o", (message) => {
    expect(parsePunch(JSON.parse(JSON.stringify(punchFields(message))))).toEqual(message);
  });

  it("is ignored if it is malformed or of an unknown kind", () => {
    const fields = punchFields(PROPOSAL);
    const bad = [{ step: "dance" }, { role: "both" }, { address: "example.org" }, { port: 0 }, { port: "7" }];
    for (const change of bad) expect(parsePunch({ ...fields, ...change })).toBeUndefined();
    fc.assert(fc.property(fc.anything(), (value) => void parsePunch(value)));
  });

  it("of further ports those that are none are left out, and what is too many", () => {
    const parse = (furtherPorts: unknown) => parsePunch({ ...punchFields(PROPOSAL), furtherPorts })?.furtherPorts;
    expect(parse([7_048, 0, "7", 65_536, 1.5, 7_096])).toEqual([7_048, 7_096]);
    expect([parse([]), parse("7"), parse([null])]).toEqual([undefined, undefined, undefined]);
    expect(parse(Array(1_000).fill(7))).toHaveLength(8);
  });

  it("a reason that this version does not know is left out", () => {
    expect(parsePunch({ ...punchFields(PROPOSAL), step: "refuse", why: "tired" })).toEqual({
      ...PROPOSAL,
      step: "refuse",
    });
  });
});
