import { EngineError, type EngineErrorReason, type LinkInfo, type LinkOptions } from "@asterism/engine";
import pino from "pino";
import { describe, expect, it } from "vitest";
import { LinkSet } from "./link-set.ts";
import { wantedLinks } from "./wanted-links.ts";

const NOWHERE = { addresses: [], defaultInterfaces: [], serverInterfaces: new Set<string>() };

/** Links of a host whose kernel refuses sockets on some. */
function scene(use: readonly string[] | "any") {
  const failures = new Map<string, EngineError>(); // bounded: by the test
  const asked: LinkOptions[] = [];
  const openLink = (options: LinkOptions): LinkInfo => {
    asked.push(options);
    const failure = failures.get(options.bindInterface ?? options.ipv4 ?? "");
    if (failure !== undefined) throw failure;
    return { id: asked.length, port: options.port === 0 ? 50_000 : options.port, ipv4: true, ipv6: true };
  };
  const set = new LinkSet({
    device: { openLink, closeLink: () => undefined },
    logger: pino({ level: "silent" }),
    ports: () => ({ first: 0, byName: {} }),
    interfaceIndex: () => 2,
  });
  set.want(wantedLinks({ use: use === "any" ? use : [...use] }, NOWHERE));
  return {
    set,
    asked,
    refuse: (name: string, reason: EngineErrorReason): void => {
      failures.set(name, new EngineError(reason, "The host refused to open the link.", { system: "EMFILE" }));
    },
    relent: (name: string): boolean => failures.delete(name),
  };
}

describe("a link that can't be opened", () => {
  it.each<[EngineErrorReason, string, RegExp]>([
    ["no-such-interface", "eth9", /there is no interface eth9; .*`ip -brief link`/],
    ["address-not-available", "192.0.2.7", /192\.0\.2\.7 is no address of this machine; .*`ip -brief address`/],
    ["no-permission", "eth0", /may not bind to eth0: .*CAP_NET_RAW.*name an address of eth0/],
    ["system-error", "eth0", /no socket on eth0 can be opened: .* \(EMFILE\)$/],
  ])("says why and what to do about it: %s", (reason, name, problem) => {
    const { set, refuse } = scene([name]);
    refuse(name, reason);
    expect(set.openMissing()).toEqual([]);
    expect(set.problemOf(name)).toMatch(problem);
  });

  it("leaves the others alone, and is opened when it can be", () => {
    const { set, asked, refuse, relent } = scene(["eth0", "eth1"]);
    const opened = (): string[] => set.openMissing().map(({ wanted }) => wanted.name);
    refuse("eth0", "no-such-interface");
    expect(opened()).toEqual(["eth1"]);
    expect(opened()).toEqual([]);
    relent("eth0");
    expect(opened()).toEqual(["eth0"]);
    expect(set.problemOf("eth0")).toBeUndefined();
    expect(asked.at(-1)).toMatchObject({ bindInterface: "eth0" });
  });

  it("is not taken for one whose port is in use: another port is tried", () => {
    const { set, asked, refuse } = scene("any");
    refuse("0.0.0.0", "port-in-use");
    set.openMissing();
    expect(asked.map(({ port }) => port)).toEqual([41_641, 0]);
    expect(set.problemOf("any")).toMatch(/^no socket can be opened/);
  });
});
