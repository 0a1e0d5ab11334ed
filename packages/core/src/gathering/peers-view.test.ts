import { describe, expect, test } from "vitest";
import type { Instant } from "../time.ts";
import { PeersView } from "./peers-view.ts";

const at = (ms: number): Instant => (1_000_000 + ms) as Instant;
const place = (port: number, address = "198.51.100.1") => ({ address, port });

describe("PeersView", () => {
  test("tells what most peers tell, on that link and in that IP version", () => {
    const view = new PeersView();
    view.add("liar", 1, place(1, "203.0.113.9"), at(0));
    view.add("b", 1, place(5), at(1));
    view.add("c", 1, place(5), at(2));
    view.add("d", 2, place(7), at(2));
    view.add("e", 1, place(5, "2001:db8::1"), at(2));
    expect(view.mapped(1, 4, at(10))).toEqual([place(5), place(1, "203.0.113.9")]);
    expect(view.mapped(2, 4, at(10))).toEqual([place(7)]);
    expect(view.mapped(1, 6, at(10))).toEqual([place(5, "2001:db8::1")]);
  });

  test("forgets what is a minute old, and with a link what was told of it", () => {
    const view = new PeersView();
    view.add("b", 1, place(5), at(0));
    expect(view.mapped(1, 4, at(59_000))).toHaveLength(1);
    expect(view.mapped(1, 4, at(60_000))).toEqual([]);
    view.add("b", 1, place(5), at(60_000));
    view.forgetLink(1);
    expect(view.mapped(1, 4, at(60_001))).toEqual([]);
  });

  test("takes no address that nobody could be reached at, and only so many", () => {
    const view = new PeersView();
    view.add("b", 1, place(5, "127.0.0.1"), at(0));
    view.add("c", 1, place(5, "224.0.0.1"), at(0));
    for (let peer = 0; peer < 1_000; peer++) view.add(`n${peer}`, 1, place(peer + 1), at(0));
    expect(view.mapped(1, 4, at(0))).toHaveLength(2);
  });
});
