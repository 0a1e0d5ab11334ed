import { describe, expect, test } from "vitest";
import { isAlive, namespaceName, ownerPrefix, parseOwner, thisOwner } from "./namespace.ts";

describe("namespace names", () => {
  test("tell their owner", () => {
    const owner = { pid: 4_242, start: "5h0e" };
    expect(namespaceName(owner, "bench1", "a-b")).toBe("astlab-4242-5h0e-bench1-a-b");
    expect(parseOwner(namespaceName(owner, "bench1", "a-b"))).toEqual(owner);
    expect(namespaceName(owner, "x", "y").startsWith(ownerPrefix(owner))).toBe(true);
  });

  test.each(["", "astlab", "astlab-", "astlab-x-5-a", "astlab-1-a", "other-1-a-b", "xastlab-1-a-b"])(
    "'%s' is not the lab's",
    (name) => {
      expect(parseOwner(name)).toBeUndefined();
    },
  );

  test("this process lives; the same pid with another start time does not", () => {
    const owner = thisOwner();
    expect(isAlive(owner)).toBe(true);
    expect(isAlive({ ...owner, start: "1" })).toBe(false);
    expect(isAlive({ pid: 2 ** 30, start: "1" })).toBe(false);
  });
});
