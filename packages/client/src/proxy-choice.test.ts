import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { chooseProxies } from "./proxy-choice.ts";

const SERVER = { host: "server.example", port: 443 };
const NAMES = ["https_proxy", "all_proxy", "no_proxy"].flatMap((name) => [name, name.toUpperCase()]);

function environment(values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) vi.stubEnv(name, value);
}

function chosen(host: string, port = 443): string | null {
  return chooseProxies(undefined, () => undefined)({ host, port })?.name ?? null;
}

beforeEach(() => {
  for (const name of NAMES) vi.stubEnv(name, undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

describe("proxies of the environment", () => {
  it.each([
    ["HTTPS_PROXY", "http://10.0.0.1:3128"],
    ["https_proxy", "http://10.0.0.1:3128"],
    ["ALL_PROXY", "http://10.0.0.1:3128"],
    ["all_proxy", "10.0.0.1:3128"],
    ["HTTPS_PROXY", "10.0.0.1:3128"],
  ])("%s=%s", (name, value) => {
    environment({ [name]: value });
    expect(chosen("server.example")).toBe("http://10.0.0.1:3128");
  });

  it("is none without any", () => {
    expect(chosen("server.example")).toBeNull();
  });

  it("leaves out what NO_PROXY names: names, domains, ports, addresses and ranges", () => {
    environment({
      https_proxy: "http://proxy:3128",
      NO_PROXY: "a.example,.corp, *.lan 10.0.0.0/8,2001:db8::/32,b.example:444",
    });
    const direct = ["a.example", "x.corp", "y.lan", "10.1.2.3", "2001:db8::7", "localhost", "127.0.0.1", "::1"];
    expect(direct.map((host) => chosen(host))).toEqual(direct.map(() => null));
    const proxied = ["b.example", "xa.example", "11.1.2.3", "2001:db9::7"];
    expect(proxied.map((host) => chosen(host))).toEqual(proxied.map(() => "http://proxy:3128"));
    expect(chosen("b.example", 444)).toBeNull();
  });

  it("ignores a kind that it can't speak, and says so once", () => {
    environment({ ALL_PROXY: "socks5://user:hidden@proxy:1080" });
    const problems: string[] = [];
    const choose = chooseProxies(undefined, (text) => problems.push(text));
    expect([choose(SERVER), choose(SERVER)]).toEqual([null, null]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/socks5.*http:\/\/host:port/);
    expect(problems[0]).not.toContain("hidden");
  });
});

describe("a proxy that is named", () => {
  it("comes before the environment, and `none` does without any", () => {
    environment({ HTTPS_PROXY: "http://other:3128" });
    expect(chooseProxies("http://us:p%40ss@proxy:8888", () => undefined)(SERVER)).toMatchObject({
      name: "http://proxy:8888",
      authorization: `Basic ${Buffer.from("us:p@ss").toString("base64")}`,
    });
    expect(chooseProxies("none", () => undefined)(SERVER)).toBeNull();
  });

  it.each(["", "http://", "ftp://proxy", "http://user:secret@:"])("is refused as %j, without its password", (text) => {
    const choose = () => chooseProxies(text, () => undefined);
    expect(choose).toThrow(/http:\/\/host:port/);
    expect(choose).not.toThrow(/secret/);
  });
});
