import { describe, expect, it } from "vitest";
import { guessPublicUrl, listenError, parseListen, parsePublicUrl, urlHost } from "./listen.ts";

describe("listen address", () => {
  it.each([
    ["0.0.0.0:443", { host: "0.0.0.0", port: 443 }],
    ["[::]:8443", { host: "::", port: 8443 }],
    [":443", { host: "::", port: 443 }],
    ["*:443", { host: "::", port: 443 }],
    ["localhost:0", { host: "localhost", port: 0 }],
    ["[fe80::1]:1", { host: "fe80::1", port: 1 }],
  ])("%s is read", (text, address) => {
    expect(parseListen(text)).toEqual(address);
  });

  it.each(["", "443", "host", "host:", "host:65536", "host:-1", "::1:443", "http://host:1", "host:1/x"])(
    "%j is refused",
    (text) => {
      expect(() => parseListen(text)).toThrow("HOST:PORT");
    },
  );

  it("explains what the system refuses", () => {
    const error = (code: string) => listenError({ host: "::", port: 443 }, Object.assign(new Error(code), { code }));
    expect(error("EADDRINUSE")).toMatchObject({ code: "address-in-use", message: expect.stringContaining("[::]:443") });
    expect(error("EACCES")).toMatchObject({ code: "permission-denied", message: expect.stringContaining("root") });
    expect(error("EADDRNOTAVAIL").code).toBe("invalid-input");
    expect(error("EMFILE").code).toBe("internal");
  });
});

describe("public URL", () => {
  it.each([
    ["https://vpn.example", "https://vpn.example"],
    ["https://VPN.example:443/", "https://vpn.example"],
    ["https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"],
  ])("%s is read", (text, url) => {
    expect(parsePublicUrl(text)).toBe(url);
  });

  it("is guessed from what the server listens on", () => {
    expect(guessPublicUrl("127.0.0.1", 8443)).toBe("https://127.0.0.1:8443");
    expect(guessPublicUrl("::1", 443)).toBe("https://[::1]");
    expect(guessPublicUrl("Host.example", 443)).toBe("https://host.example");
    expect(guessPublicUrl("::", 443)).toMatch(/^https:\/\/(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\])$/);
    expect(urlHost("https://[2001:db8::1]:1")).toBe("2001:db8::1");
  });
});
