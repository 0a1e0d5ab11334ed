import { expect, it } from "vitest";
import { exampleNat } from "../../test/gathering-facts.ts";
import { summariseNats } from "./nat-summary.ts";

it("takes the link that is best off, once for each IP version", () => {
  const blocked = exampleNat({ udp: false, type: "UDP blocked" });
  const symmetric = exampleNat({ linkId: 2, type: "symmetric" });
  const cone = exampleNat({ linkId: 3 });
  const ipv6 = exampleNat({ family: 6, type: "none" });
  expect(summariseNats([ipv6, blocked, symmetric, cone]).map(({ family, type }) => [family, type])).toEqual([
    [4, "port-restricted cone"],
    [6, "none"],
  ]);
  expect(summariseNats([blocked])).toMatchObject([{ family: 4, type: "udp blocked", udp: false }]);
  expect(summariseNats([])).toEqual([]);
});
