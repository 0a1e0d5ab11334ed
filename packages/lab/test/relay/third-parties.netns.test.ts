/** Our STUN and TURN server against the clients that Debian has. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RelayWorld, readUclient } from "./relay-world.ts";

let world: RelayWorld;
beforeAll(async () => {
  world = await RelayWorld.create("thirdparty");
});
afterAll(() => world[Symbol.asyncDispose]());

describe("STUN", () => {
  test("`stun` of RFC 3489 finds no NAT where there is none", async () => {
    // Its exit code is the kind of NAT.
    const { stdout, stderr } = await world.client.exec(["stun", world.addresses[0]], { allowFailure: true });
    expect(`${stdout}${stderr}`).toMatch(/Primary: Open/);
  });

  test("turnutils_stunclient gets its address, by the first request and from the other address and port", async () => {
    const { stdout, stderr } = await world.client.exec(["turnutils_stunclient", world.addresses[0]]);
    const text = `${stdout}${stderr}`;
    expect(text).toContain(`UDP reflexive addr: ${world.client.ipv4}:`);
    expect(text).toMatch(/RFC 5780 response 3/);
    expect(text).toContain(`Other addr: : ${world.addresses[1]}:3479`);
    expect(text).toContain(`Response origin: : ${world.addresses[1]}:3479`);
  });

  test("turnutils_natdiscovery finds mapping and filtering", async () => {
    const { stdout, stderr } = await world.client.exec([
      "turnutils_natdiscovery",
      "-m",
      "-f",
      "-P",
      world.addresses[0],
    ]);
    const text = `${stdout}${stderr}`;
    expect(text).toContain("NAT with Endpoint Independent Mapping!");
    expect(text).toContain("NAT with Endpoint Independent Filtering!");
  });
});

// Each run of turnutils_uclient waits for five seconds before it sends anything: several at a time.
describe.concurrent("TURN", () => {
  const COUNT = ["-n", "20", "-m", "3"];

  test.each([
    ["channels over UDP", []],
    ["indications over UDP", ["-s"]],
    ["indications with don't-fragment", ["-s", "-g"]],
    ["channels over TCP", ["-t"]],
    ["indications over TCP", ["-t", "-s"]],
    ["channels over TLS", ["-t", "-S", "-p", "5349"]],
    ["indications over TLS", ["-t", "-S", "-s", "-p", "5349"]],
    ["client to client, both relayed", ["-y"]],
    ["client to client over TCP", ["-t", "-y"]],
    ["padded channels", ["-D"]],
    ["many requests on the way", ["-G"]],
    ["allocations of both families", ["-Z"]],
    ["without RTCP, large messages", ["-c", "-l", "1400"]],
  ])("%s", async (_name, args) => {
    const result = await world.uclient([...args, ...COUNT]);
    const { sent, received, lost } = readUclient(result);
    expect(
      { code: result.code, lost, missing: sent - received },
      `${result.stdout.slice(-500)}${result.stderr}`,
    ).toEqual({
      code: 0,
      lost: 0,
      missing: 0,
    });
    expect(sent).toBeGreaterThanOrEqual(60);
  });

  test("relayed IPv6 addresses", async () => {
    const result = await world.uclient(["-x", ...COUNT], { peer: world.peer.ipv6 });
    expect({ code: result.code, lost: readUclient(result).lost }).toEqual({ code: 0, lost: 0 });
  });

  test("fifteen clients at once over each transport", async () => {
    const results = await Promise.all(
      [[], ["-t"], ["-t", "-S", "-p", "5349"]].map((args) => world.uclient([...args, "-c", "-m", "5", "-n", "50"])),
    );
    const said = results.map(({ stdout, stderr }) => `${stdout.slice(-500)}${stderr}`).join("\n");
    expect(
      results.map((result) => [result.code, readUclient(result).lost]),
      said,
    ).toEqual(Array(3).fill([0, 0]));
  });

  test("wrong secrets are refused", async () => {
    const result = await world.uclient(COUNT, { secret: "another" });
    expect(result.code).not.toBe(0);
    expect(`${result.stdout}${result.stderr}`).toMatch(/Cannot complete Allocation/);
  });
});
