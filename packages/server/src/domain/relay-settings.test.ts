import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { relaySettings } from "./relay-settings.ts";

const secret = "s3cret";

describe("settings of a relay", () => {
  it("fill in the ports: UDP 3478, TCP as UDP, no TLS", () => {
    const ports = (request: object) => relaySettings({ host: "h", secret, ...request }).ports;
    expect(ports({})).toEqual({ udp: 3478, tcp: 3478, tls: null });
    expect(ports({ udpPort: 5000, tlsPort: 443 })).toEqual({ udp: 5000, tcp: 5000, tls: 443 });
    expect(ports({ udpPort: null, tcpPort: 80 })).toEqual({ udp: null, tcp: 80, tls: null });
    expect(ports({ udpPort: null, tlsPort: 443 })).toEqual({ udp: null, tcp: null, tls: 443 });
    expect(() => ports({ udpPort: null })).toThrow("no port");
  });

  it.each([
    ["Turn.Example.", "turn.example"],
    ["203.0.113.7", "203.0.113.7"],
    ["2001:DB8:0:0::7", "2001:db8::7"],
    ["turn_1.internal", "turn_1.internal"],
  ])("write the host %s as %s", (host, canonical) => {
    expect(relaySettings({ host, secret }).host).toBe(canonical);
  });

  it.each([
    "",
    " ",
    "a b",
    "host:3478",
    "[::1]",
    "-a",
    "a-.",
    "a..b",
    "1.2.3",
    "256.1.1.1",
    "0.0.0.0",
    "::",
    "224.0.0.1",
  ])("refuse the host %j", (host) => {
    expect(() => relaySettings({ host, secret })).toThrow(expect.objectContaining({ code: "invalid-input" }));
  });

  it("take either a secret or a user", () => {
    const auth = (request: object) => relaySettings({ host: "h", ...request }).auth;
    expect(auth({ secret })).toEqual({ kind: "secret", secret });
    expect(auth({ username: "u", password: "p" })).toEqual({ kind: "user", username: "u", password: "p" });
    for (const request of [{}, { username: "u" }, { password: "p" }, { secret, username: "u", password: "p" }]) {
      expect(() => auth(request)).toThrow("--secret");
    }
  });

  it("are the same when a host that was taken is given again", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.domain(), fc.ipV4(), fc.ipV6()), (text) => {
        let host: string;
        try {
          ({ host } = relaySettings({ host: text, secret }));
        } catch (error) {
          expect(error).toMatchObject({ code: "invalid-input" });
          return;
        }
        expect(relaySettings({ host, secret }).host).toBe(host);
      }),
    );
  });
});
