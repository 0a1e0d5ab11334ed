import type { NetworkEvent } from "@asterism/engine";
import { beforeEach, describe, expect, it } from "vitest";
import { NetworkState } from "./network-state.ts";

const link = (index: number, name: string, running = true): NetworkEvent => ({
  kind: "link",
  index,
  name,
  running,
  gone: false,
});
const address = (index: number, text: string, gone = false): NetworkEvent => ({
  kind: "address",
  index,
  address: text,
  gone,
});

describe("what counts as a change of the host's network", () => {
  let state: NetworkState;

  beforeEach(() => {
    state = new NetworkState((name) => name.startsWith("ast"));
    const start = [link(2, "eth0"), link(3, "ast0"), address(2, "192.0.2.1"), address(3, "100.64.0.2")];
    for (const event of start) expect(state.handle(event)).toBe(false);
    expect(state.handle({ kind: "ready" })).toBe(false);
  });

  it("addresses that come and go, but no renewed lease", () => {
    expect(state.handle(address(2, "192.0.2.1"))).toBe(false);
    expect(state.handle(address(2, "192.0.2.7"))).toBe(true);
    expect(state.handle(address(2, "192.0.2.1", true))).toBe(true);
    expect(state.handle(address(2, "192.0.2.1", true))).toBe(false);
  });

  it("a link with addresses that loses its carrier, gets it back, or is deleted", () => {
    expect(state.handle(link(2, "eth0"))).toBe(false);
    expect(state.handle(link(2, "eth0", false))).toBe(true);
    expect(state.handle(link(2, "eth0"))).toBe(true);
    expect(state.handle({ kind: "link", index: 2, name: "eth0", running: false, gone: true })).toBe(true);
  });

  it("no link without addresses, as of a container", () => {
    expect(state.handle(link(9, "veth7"))).toBe(false);
    expect(state.handle(link(9, "veth7", false))).toBe(false);
  });

  it("a new interface, once it has an address", () => {
    expect(state.handle(link(4, "usb0"))).toBe(false);
    expect(state.handle(address(4, "192.168.42.5"))).toBe(true);
  });

  it("routes, but nothing of the overlays' interfaces", () => {
    expect(state.handle({ kind: "route", index: 2, gone: false })).toBe(true);
    expect(state.handle({ kind: "route", index: 0, gone: false })).toBe(true);
    expect(state.handle({ kind: "route", index: 3, gone: true })).toBe(false);
    expect(state.handle(link(3, "ast0", false))).toBe(false);
    expect(state.handle(address(3, "fd00::2"))).toBe(false);
  });

  it("whatever was lost", () => {
    expect(state.handle({ kind: "lost" })).toBe(true);
  });
});
