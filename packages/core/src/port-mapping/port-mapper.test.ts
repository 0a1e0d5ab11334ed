import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseIpv4 } from "../addresses/index.ts";
import { readUint16Be, readUint32Be, writeUint16Be, writeUint32Be } from "../bytes/index.ts";
import { addMs, type Instant } from "../time.ts";
import { PortMapper } from "./port-mapper.ts";
import type { PortMapperEvent } from "./port-mapping-types.ts";

const PLACE = { gateway: "192.168.1.1", local: "192.168.1.2" };
const PORT = 41_641;
const NONCE = new Uint8Array(12).fill(7);

/** A router at port 5351, and a mapper that talks with it in virtual time. */
class Stage {
  now = 1_000_000 as Instant;
  readonly mapper = new PortMapper({
    random: (size) => new Uint8Array(size).fill(128),
    internalPort: PORT,
    nonce: NONCE,
  });
  readonly events: PortMapperEvent[] = [];
  readonly requests: {
    readonly at: number;
    readonly version: number;
    readonly opcode: number;
    readonly lifetime: number;
  }[] = [];
  /** What the router is like; may be changed on the way. */
  router = { pcp: true, natPmp: true, silent: false, address: "203.0.113.7", shift: 0, lifetime: 7_200, result: 0 };
  bootedAt = 0;

  get epoch(): number {
    return Math.floor((this.now - this.bootedAt) / 1_000);
  }

  network(place: typeof PLACE | null = PLACE): void {
    this.input(() => this.mapper.handleNetwork(place, this.now));
  }

  input(step: () => void): void {
    step();
    for (let event = this.mapper.pollEvent(); event !== undefined; event = this.mapper.pollEvent())
      this.events.push(event);
    for (let bytes = this.mapper.pollTransmit(); bytes !== undefined; bytes = this.mapper.pollTransmit()) {
      const answer = this.answer(bytes);
      if (answer !== undefined) this.input(() => this.mapper.handleDatagram(answer, this.now));
    }
  }

  /** Lets time pass; deadlines are met on the way. */
  pass(ms: number): void {
    const end = addMs(this.now, ms);
    for (let rounds = 0; rounds < 10_000; rounds++) {
      const due = this.mapper.pollTimeout();
      if (due === undefined || due > end) break;
      this.now = Math.max(this.now, due) as Instant;
      this.input(() => this.mapper.handleTimeout(this.now));
    }
    this.now = end;
  }

  upnpAsked(): number {
    return this.events.filter(({ kind }) => kind === "upnp-map").length;
  }

  answer(request: Uint8Array): Uint8Array | undefined {
    const [version = 0, opcode = 0] = request;
    const lifetimeOffset = version === 2 ? 4 : 8;
    const lifetime = request.length > 2 ? readUint32Be(request, lifetimeOffset) : 0;
    this.requests.push({ at: this.now, version, opcode, lifetime });
    if (this.router.silent) return undefined;
    if (version === 2 && this.router.pcp) return this.#pcpAnswer(request, opcode);
    if (!this.router.natPmp) return undefined;
    const sizes = [12, 16];
    const answer = new Uint8Array(version === 2 ? 8 : (sizes[opcode] ?? 8));
    answer[1] = opcode + 128;
    writeUint16Be(answer, 2, version === 2 ? 1 : this.router.result);
    writeUint32Be(answer, 4, this.epoch);
    if (version === 2) return answer;
    if (opcode === 0) answer.set(parseIpv4(this.router.address) ?? [], 8);
    if (opcode === 1) {
      writeUint16Be(answer, 8, readUint16Be(request, 4));
      writeUint16Be(answer, 10, readUint16Be(request, 6) + this.router.shift);
      writeUint32Be(answer, 12, Math.min(lifetime, this.router.lifetime));
    }
    return answer;
  }

  #pcpAnswer(request: Uint8Array, opcode: number): Uint8Array {
    const answer = request.slice();
    answer[1] = opcode + 128;
    answer[3] = this.router.result;
    answer.fill(0, 8, 24);
    writeUint32Be(answer, 4, Math.min(readUint32Be(request, 4), this.router.lifetime));
    writeUint32Be(answer, 8, this.epoch);
    if (opcode === 1) {
      writeUint16Be(answer, 42, readUint16Be(request, 42) + this.router.shift);
      answer.set(parseIpv4(this.router.address) ?? [], 56);
    }
    return answer;
  }
}

const EXTERNAL = { address: "203.0.113.7", port: PORT };

describe("asking", () => {
  it("has a port mapped by PCP with one request", () => {
    const stage = new Stage();
    stage.network();
    expect(stage.mapper.state).toEqual({
      protocol: "pcp",
      external: EXTERNAL,
      expiresAt: stage.now + 7_200_000,
      problem: null,
    });
    expect(stage.requests).toHaveLength(1);
  });

  it("takes the port that the router gives rather than the one it was asked for", () => {
    const stage = new Stage();
    stage.router.shift = 5;
    stage.network();
    expect(stage.mapper.state.external).toEqual({ address: "203.0.113.7", port: PORT + 5 });
  });

  it("goes on by NAT-PMP with a router that does not know PCP", () => {
    const stage = new Stage();
    stage.router.pcp = false;
    stage.network();
    expect(stage.mapper.state).toMatchObject({ protocol: "nat-pmp", external: EXTERNAL, problem: null });
    expect(stage.requests.map(({ version, opcode }) => [version, opcode])).toEqual([
      [2, 1],
      [0, 0],
      [0, 1],
    ]);
  });

  it("finds NAT-PMP with a router that drops what it does not know", () => {
    const stage = new Stage();
    const answer = stage.answer.bind(stage);
    stage.answer = (request) => (request[0] === 2 ? undefined : answer(request));
    stage.network();
    stage.pass(300);
    expect(stage.mapper.state).toMatchObject({ protocol: "nat-pmp", external: EXTERNAL });
  });

  it("asks by UPnP when the others are silent for 1.75 s, at once when there is no such port", () => {
    const silent = new Stage();
    silent.router.silent = true;
    silent.network();
    silent.pass(1_700);
    expect(silent.upnpAsked()).toBe(0);
    silent.pass(100);
    expect(silent.upnpAsked()).toBe(1);
    const refusing = new Stage();
    refusing.router.silent = true;
    refusing.network();
    refusing.input(() => refusing.mapper.handleUnreachable(refusing.now));
    expect(refusing.events.at(-1)).toEqual({
      kind: "upnp-map",
      ...PLACE,
      internalPort: PORT,
      externalPort: PORT,
      lifetimeSeconds: 7_200,
    });
    refusing.input(() => refusing.mapper.handleUpnpMapped(EXTERNAL, refusing.now));
    expect(refusing.mapper.state).toMatchObject({ protocol: "upnp", external: EXTERNAL, problem: null });
  });

  it("repeats lost requests, and backs off when nobody answers", () => {
    const stage = new Stage();
    stage.router.silent = true;
    stage.network();
    expect(stage.requests).toHaveLength(1);
    stage.pass(11_750);
    expect(stage.mapper.state.problem?.code).toBe("no-answer");
    expect(stage.upnpAsked()).toBe(1);
    stage.pass(24 * 3_600_000);
    expect(stage.upnpAsked()).toBeLessThan(40);
    stage.router.silent = false;
    stage.network();
    expect(stage.mapper.state.protocol).toBe("pcp");
  });

  it("says who refuses", () => {
    const stage = new Stage();
    stage.router.result = 2;
    stage.network();
    stage.input(() => stage.mapper.handleUpnpFailed("UPnP error 606", stage.now));
    expect(stage.mapper.state.problem).toEqual({
      code: "refused",
      text: "the router refuses to map a port: it does not allow it (PCP)",
    });
  });

  it("says that the router has no public address, whatever else it says", () => {
    const stage = new Stage();
    stage.router.result = 3;
    stage.network();
    stage.input(() => stage.mapper.handleUpnpFailed("UPnP error 501", stage.now));
    expect(stage.mapper.state.problem?.code).toBe("not-connected");
  });

  it("asks nobody without a router", () => {
    const stage = new Stage();
    stage.network(null);
    stage.pass(3_600_000);
    expect(stage.requests).toEqual([]);
    expect(stage.mapper.pollTimeout()).toBeUndefined();
  });

  it.each(["10.0.0.7", "100.64.0.7", "192.168.0.7"])(
    "reports a router that has %s outside as behind a NAT",
    (address) => {
      const stage = new Stage();
      stage.router.address = address;
      stage.network();
      expect(stage.mapper.state).toMatchObject({ external: { address, port: PORT }, problem: { code: "behind-nat" } });
    },
  );

  it("reports a router without an address outside", () => {
    const stage = new Stage();
    stage.router.address = "0.0.0.0";
    stage.network();
    expect(stage.mapper.state.problem?.code).toBe("not-connected");
  });
});

describe("keeping", () => {
  it.each([true, false])("renews at half of what was granted (PCP %s)", (pcp) => {
    const stage = new Stage();
    stage.router = { ...stage.router, pcp, lifetime: 1_000 };
    stage.network();
    const firstExpiry = stage.mapper.state.expiresAt ?? 0;
    stage.pass(505_000);
    expect(stage.mapper.state.expiresAt).toBe(firstExpiry + 500_000);
    expect(stage.mapper.state.protocol).toBe(pcp ? "pcp" : "nat-pmp");
  });

  it.each([true, false])("notices within a minute or so that the router has restarted (PCP %s)", (pcp) => {
    const stage = new Stage();
    stage.router.pcp = pcp;
    stage.network();
    stage.pass(600_000);
    const mapRequests = (): number => stage.requests.filter(({ opcode }) => opcode === 1).length;
    const before = mapRequests();
    stage.bootedAt = stage.now;
    stage.pass(61_000);
    expect(mapRequests()).toBe(before + 1);
    stage.pass(600_000);
    expect(mapRequests()).toBe(before + 1);
  });

  it("follows a change of the router's address", () => {
    const stage = new Stage();
    stage.router.pcp = false;
    stage.network();
    stage.router.address = "203.0.113.8";
    stage.pass(61_000);
    expect(stage.mapper.state.external).toEqual({ address: "203.0.113.8", port: PORT });
  });

  it("renews when the link was down for a moment, but not at each of many changes", () => {
    const stage = new Stage();
    stage.network();
    stage.pass(20_000);
    for (let changes = 0; changes < 50; changes++) {
      stage.network();
      stage.pass(100);
    }
    stage.pass(10_000);
    expect(stage.requests.length).toBeLessThanOrEqual(4);
    expect(stage.mapper.state.external).toEqual(EXTERNAL);
  });

  it("forgets the mapping of a router that is not there any more", () => {
    const moved = new Stage();
    moved.network();
    moved.router.silent = true;
    moved.network({ gateway: "10.0.0.1", local: "10.0.0.2" });
    expect(moved.mapper.state.external).toBeNull();
    const gone = new Stage();
    gone.network();
    gone.router.silent = true;
    gone.pass(90_000);
    gone.input(() => gone.mapper.handleUpnpFailed(null, gone.now));
    expect(gone.mapper.state).toMatchObject({ external: null, problem: { code: "no-answer" } });
  });

  it("asks again by UPnP every ten minutes", () => {
    const stage = new Stage();
    stage.router.silent = true;
    stage.network();
    stage.pass(1_750);
    stage.input(() => stage.mapper.handleUpnpMapped(EXTERNAL, stage.now));
    stage.pass(600_000);
    expect(stage.upnpAsked()).toBe(2);
    expect(stage.mapper.state.external).toEqual(EXTERNAL);
  });
});

describe("closing", () => {
  it.each([true, false])("deletes the mapping (PCP %s)", (pcp) => {
    const stage = new Stage();
    stage.router.pcp = pcp;
    stage.network();
    stage.input(() => stage.mapper.close(stage.now));
    expect(stage.requests.at(-1)).toMatchObject({ opcode: 1, lifetime: 0 });
    expect(stage.mapper.isClosed).toBe(true);
    expect(stage.mapper.pollTimeout()).toBeUndefined();
  });

  it("waits for a silent router for 0.7 s", () => {
    const stage = new Stage();
    stage.network();
    stage.router.silent = true;
    stage.input(() => stage.mapper.close(stage.now));
    stage.pass(690);
    expect(stage.mapper.isClosed).toBe(false);
    stage.pass(20);
    expect(stage.mapper.isClosed).toBe(true);
  });

  it("deletes by UPnP what came by UPnP, and nothing where there is nothing", () => {
    const stage = new Stage();
    stage.router.silent = true;
    stage.network();
    stage.pass(1_750);
    const external = { address: "203.0.113.7", port: 50_000 };
    stage.input(() => stage.mapper.handleUpnpMapped(external, stage.now));
    stage.input(() => stage.mapper.close(stage.now));
    expect(stage.events.at(-1)).toEqual({ kind: "upnp-unmap", ...PLACE, internalPort: PORT, externalPort: 50_000 });
    const empty = new Stage();
    empty.input(() => empty.mapper.close(empty.now));
    expect(empty.mapper.isClosed).toBe(true);
    expect(empty.requests).toEqual([]);
  });
});

describe("a hostile router", () => {
  it("neither makes us throw nor ask without end, whatever it says", () => {
    const step = fc.record({
      version: fc.constantFrom(0, 2),
      opcode: fc.constantFrom(0x80, 0x81, 0x82, 0x01),
      rest: fc.uint8Array({ maxLength: 70 }),
      gapMs: fc.constantFrom(0, 0, 300, 5_000, 61_000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const stage = new Stage();
        stage.router.silent = true;
        stage.network();
        let passedMs = 0;
        for (const { version, opcode, rest, gapMs } of steps) {
          // The nonce is put where PCP has it, so that forged answers get further.
          const bytes = new Uint8Array([version, opcode, ...rest]);
          if (bytes.length >= 36) bytes.set(NONCE, 24);
          stage.input(() => stage.mapper.handleDatagram(bytes, stage.now));
          stage.pass(gapMs);
          passedMs += gapMs;
        }
        expect(stage.requests.length).toBeLessThanOrEqual(20 + 2 * steps.length + passedMs / 500);
        const { external } = stage.mapper.state;
        if (external !== null) expect(external.port).toBeGreaterThan(0);
      }),
    );
  });

  it("gives no mapping for another port, for no time or to port 0", () => {
    for (const [offset, value] of [
      [40, 1],
      [42, 0],
    ] as const) {
      const stage = new Stage();
      const answer = stage.answer.bind(stage);
      stage.answer = (request) => {
        const bytes = answer(request);
        if (bytes?.length === 60) writeUint16Be(bytes, offset, value);
        return bytes;
      };
      stage.router.natPmp = false;
      stage.network();
      expect(stage.mapper.state.external).toBeNull();
    }
    const stage = new Stage();
    stage.router = { ...stage.router, lifetime: 0, natPmp: false };
    stage.network();
    expect(stage.mapper.state.external).toBeNull();
  });
});
