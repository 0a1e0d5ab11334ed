import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { RelayHosts } from "./relay-hosts.ts";

/** A resolver whose answers the test sets: addresses, or the code of an error. */
function createHosts() {
  const clock = { now: 1_795_000_000_000 };
  const answers = new Map<string, readonly string[] | string>();
  const asked: string[] = [];
  const resolve = (host: string) => {
    asked.push(host);
    const answer = answers.get(host) ?? "ENOTFOUND";
    return typeof answer === "string"
      ? Promise.reject(Object.assign(new Error(answer), { code: answer }))
      : Promise.resolve(answer);
  };
  const hosts = new RelayHosts(() => clock.now, pino({ level: "silent" }), resolve);
  return { hosts, answers, asked, clock };
}

describe("hosts of relays", () => {
  it("that are numeric stand for themselves and are never looked up", async () => {
    const { hosts, asked } = createHosts();
    await hosts.learn("203.0.113.7");
    expect(await hosts.refresh(["203.0.113.7", "2001:db8::7"])).toBe(false);
    expect(hosts.addressesOf("2001:db8::7")).toEqual(["2001:db8::7"]);
    expect(asked).toEqual([]);
  });

  it("are looked up again every ten minutes, and after one if that failed", async () => {
    const { hosts, answers, asked, clock } = createHosts();
    answers.set("a", ["203.0.113.1"]);
    expect(await hosts.refresh(["a"])).toBe(true);
    clock.now += 599_999;
    expect(await hosts.refresh(["a"])).toBe(false);
    expect(asked).toHaveLength(1);

    clock.now += 1;
    answers.set("a", "EAI_AGAIN");
    expect(await hosts.refresh(["a"])).toBe(false);
    expect(hosts.addressesOf("a")).toEqual(["203.0.113.1"]);
    expect(asked).toHaveLength(2);

    clock.now += 60_000;
    answers.set("a", ["203.0.113.2"]);
    expect(await hosts.refresh(["a"])).toBe(true);
    expect(hosts.addressesOf("a")).toEqual(["203.0.113.2"]);
  });

  it("are looked up again when the clock was set back", async () => {
    const { hosts, answers, asked, clock } = createHosts();
    answers.set("a", ["203.0.113.1"]);
    await hosts.refresh(["a"]);
    clock.now -= 3_600_000;
    await hosts.refresh(["a"]);
    expect(asked).toHaveLength(2);
  });

  it("are forgotten when no relay has them", async () => {
    const { hosts, answers } = createHosts();
    answers.set("a", ["203.0.113.1"]);
    await hosts.refresh(["a"]);
    await hosts.refresh([]);
    expect(hosts.addressesOf("a")).toEqual([]);
  });

  it("do not change when the answers come in another order", async () => {
    const { hosts, answers, clock } = createHosts();
    answers.set("a", ["2001:db8::1", "203.0.113.2", "203.0.113.1"]);
    await hosts.refresh(["a"]);
    expect(hosts.addressesOf("a")).toEqual(["203.0.113.1", "203.0.113.2", "2001:db8::1"]);
    clock.now += 600_000;
    answers.set("a", ["203.0.113.1", "2001:db8::1", "203.0.113.2", "203.0.113.1"]);
    expect(await hosts.refresh(["a"])).toBe(false);
  });

  it("leave out what means nothing elsewhere, but for local names", async () => {
    const { hosts, answers } = createHosts();
    const local = ["127.0.1.1", "::1", "fe80::1", "169.254.1.1", "0.0.0.0", "::ffff:127.0.0.1", "ff02::1", "not an IP"];
    answers.set("a", [...local, "10.0.0.1", "fd00::1"]);
    answers.set("localhost", ["127.0.0.1"]);
    await hosts.refresh(["a", "localhost"]);
    expect(hosts.addressesOf("a")).toEqual(["10.0.0.1", "fd00::1"]);
    expect(hosts.addressesOf("localhost")).toEqual(["127.0.0.1"]);
  });

  it("have eight addresses at most", async () => {
    const { hosts, answers } = createHosts();
    answers.set(
      "a",
      Array.from({ length: 20 }, (_, index) => `10.0.0.${index}`),
    );
    await hosts.refresh(["a"]);
    expect(hosts.addressesOf("a")).toHaveLength(8);
  });

  it("that do not exist are refused when they are new; other failures may pass", async () => {
    const { hosts, answers, clock } = createHosts();
    await expect(hosts.learn("typo")).rejects.toMatchObject({ code: "invalid-input" });
    answers.set("later", "EAI_AGAIN");
    await hosts.learn("later");
    expect(hosts.addressesOf("later")).toEqual([]);
    answers.set("later", ["203.0.113.1"]);
    clock.now += 60_000;
    expect(await hosts.refresh(["later"])).toBe(true);
  });
});
