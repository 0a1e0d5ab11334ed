/** What a program or a host does wrong is an EngineError, never a crash, and leaves nothing behind. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { DeviceOptions } from "../src/index.ts";
import { EngineProcess } from "./engine-process.ts";
import { ip, NetnsPair } from "./netns-pair.ts";
import { key, sessionOf } from "./tunnel-pair.ts";

const SOAK = process.env["ASTERISM_SOAK"] !== undefined;
const OPTIONS: DeviceOptions = {
  kind: "tun",
  interfaceName: "ast0",
  mtuBytes: 1420,
  publicKey: key(1),
  pingIdentifier: 1,
};

let pair: NetnsPair;
let engine: EngineProcess;
beforeAll(() => {
  pair = new NetnsPair("misuse");
});
afterAll(() => pair.remove());
beforeEach(() => {
  engine = new EngineProcess(pair.a.namespace);
});
afterEach(() => engine.end());

function reason(expected: string): unknown {
  return expect.objectContaining({ reason: expected });
}

test("calls with wrong arguments are refused and the device lives on", async () => {
  await engine.open(OPTIONS);
  const peer = await engine.call("addPeer");
  const link = await engine.call("openLink", { port: 0, ipv4: "127.0.0.1", ipv6: null });
  const remote = { address: "127.0.0.1", port: 9 };
  const path = { linkId: link.id, remote, channel: null, relayed: false, weight: 1, mtuBytes: 0 };
  const wrong: readonly (readonly [string, string, ...unknown[]])[] = [
    ["unknown-peer", "setAllowedIps", 77, []],
    ["unknown-peer", "setPaths", 77, [path], "best"],
    ["unknown-peer", "installSession", 77, sessionOf("a")],
    ["unknown-peer", "sendInner", 77, new Uint8Array(40)],
    ["unknown-peer", "readPeer", 77],
    ["invalid-argument", "removePeer", -1],
    ["invalid-argument", "removePeer", 1.5],
    ["invalid-argument", "removePeer", "0"],
    ["invalid-argument", "setAllowedIps", peer, ["10.0.0.0"]],
    ["invalid-argument", "setAllowedIps", peer, ["10.0.0.0/33"]],
    ["invalid-argument", "setAllowedIps", peer, ["fe80::/129"]],
    ["invalid-argument", "setAllowedIps", peer, [5]],
    ["invalid-argument", "setAllowedIps", peer, "10.0.0.0/8"],
    ["unknown-link", "setPaths", peer, [{ ...path, linkId: 4 }], "best"],
    ["invalid-argument", "setPaths", peer, [{ ...path, channel: 5 }], "best"],
    ["invalid-argument", "setPaths", peer, [{ ...path, weight: Number.NaN }], "best"],
    ["invalid-argument", "setPaths", peer, [path, path], "best"],
    ["invalid-argument", "setPaths", peer, [path], "fastest"],
    ["invalid-argument", "setPaths", peer, [{ ...path, capBytesPerSecond: -1 }], "aggregate"],
    ["invalid-argument", "setPaths", peer, [{ ...path, remote: { address: "localhost", port: 9 } }], "best"],
    ["invalid-argument", "setPaths", peer, [{ ...path, remote: { address: "127.0.0.1", port: 0 } }], "best"],
    ["too-many-paths", "setPaths", peer, new Array(17).fill(path), "best"],
    ["invalid-argument", "installSession", peer, { ...sessionOf("a"), sendKey: new Uint8Array(31) }],
    ["invalid-argument", "installSession", peer, { ...sessionOf("a"), localIndex: 2 ** 32 }],
    ["invalid-argument", "installSession", peer, { ...sessionOf("a"), aead: "rot13" }],
    ["unknown-link", "send", { linkId: 3, remote, channel: null }, new Uint8Array(4)],
    ["invalid-argument", "send", { linkId: link.id, remote, channel: null }, new Uint8Array(70_000)],
    ["invalid-argument", "send", { linkId: link.id, remote, channel: null }, "text"],
    ["invalid-argument", "sendInner", peer, new Uint8Array(0)],
    ["invalid-argument", "sendInner", peer, new Uint8Array([0x45, 0, 0, 99])],
    ["invalid-argument", "sendInner", peer, new Uint8Array([0xf5])],
    ["unknown-link", "closeLink", 12],
    ["port-in-use", "openLink", { port: link.port, ipv4: "127.0.0.1", ipv6: null }],
    ["address-not-available", "openLink", { port: 0, ipv4: "192.0.2.1", ipv6: null }],
    ["no-such-interface", "openLink", { port: 0, ipv4: "0.0.0.0", ipv6: null, bindInterface: "none0" }],
    ["invalid-argument", "openLink", { port: 0, ipv4: null, ipv6: null }],
    ["invalid-argument", "openLink", { port: 70_000, ipv4: "0.0.0.0", ipv6: null }],
  ];
  for (const [expected, method, ...parameters] of wrong) {
    const outcome = await engine.misuse(method, ...parameters).catch((error: unknown) => error);
    expect(outcome, `${method} ${JSON.stringify(parameters)}`).toEqual(reason(expected));
  }
  await engine.call("removeSession", peer, 3);
  await engine.call("setPaths", peer, [path], "best");
  expect(await engine.call("readPaths", peer)).toHaveLength(1);
  await engine.call("close");
  await engine.call("close");
  for (const method of ["addPeer", "readDrops"] as const) {
    await expect(engine.call(method), method).rejects.toEqual(reason("closed"));
  }
  await expect(engine.call("readPeer", peer)).rejects.toEqual(reason("closed"));
});

test("a session index is unique on the device", async () => {
  await engine.open(OPTIONS);
  const [first, second] = [await engine.call("addPeer"), await engine.call("addPeer")];
  await engine.call("installSession", first, sessionOf("a"));
  await expect(engine.call("installSession", second, sessionOf("a"))).rejects.toEqual(reason("index-in-use"));
  await engine.call("removeSession", first, sessionOf("a").localIndex);
  await engine.call("installSession", second, sessionOf("a"));
});

test("a taken name, wrong options, missing rights and a missing device are told apart", async () => {
  await expect(engine.open({ ...OPTIONS, interfaceName: "veth0" })).rejects.toEqual(reason("interface-name-taken"));
  ip("-n", pair.a.namespace, "tuntap", "add", "held0", "mode", "tun");
  await expect(engine.open({ ...OPTIONS, interfaceName: "held0" })).rejects.toEqual(reason("interface-name-taken"));
  await expect(engine.open({ ...OPTIONS, interfaceName: "sixteen-letters0" })).rejects.toEqual(
    reason("invalid-argument"),
  );
  await expect(engine.open({ ...OPTIONS, mtuBytes: 100 })).rejects.toEqual(reason("invalid-argument"));
  await expect(engine.open({ ...OPTIONS, publicKey: key(1).subarray(1) })).rejects.toEqual(reason("invalid-argument"));

  const powerless = new EngineProcess(pair.a.namespace, ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]);
  await expect(powerless.open(OPTIONS)).rejects.toEqual(reason("no-permission"));
  await powerless.end();
  const hide = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$0" "$@"'];
  const deviceless = new EngineProcess(pair.a.namespace, hide);
  await expect(deviceless.open(OPTIONS)).rejects.toEqual(reason("no-tun-device"));
  await deviceless.end();
});

test("an interface name may leave its number to the kernel", async () => {
  const opened = await engine.open({ ...OPTIONS, interfaceName: "ast%d" });
  expect(opened.interfaceName).toMatch(/^ast\d+$/);
  expect(opened.interfaceIndex).toBeGreaterThan(0);
});

test("opening and closing leaves no file, thread or memory behind", async () => {
  const before = await engine.openAndClose(OPTIONS, 100);
  const after = await engine.openAndClose(OPTIONS, SOAK ? 1000 : 100);
  expect(after.files).toBe(before.files);
  expect(after.threads).toBe(before.threads);
  expect(after.residentBytes - before.residentBytes).toBeLessThan(20e6);
});

test("a device with a thousand peers stays small", async () => {
  await engine.open(OPTIONS);
  const before = await engine.footprint();
  for (let i = 0; i < 1000; i++) {
    const peer = await engine.call("addPeer");
    await engine.call("setAllowedIps", peer, [`100.65.${i >> 8}.${i & 255}/32`, `fd65::${i.toString(16)}/128`]);
  }
  const after = await engine.footprint();
  expect(after.residentBytes).toBeLessThan(120e6);
  expect(after.residentBytes - before.residentBytes).toBeLessThan(30e6);
});
