import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { LinkPortMapping } from "@asterism/core/port-mapping";
import pino from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LinkPortMappings } from "./link-port-mappings.ts";
import type { OpenLink } from "./link-set.ts";

const GATEWAY = "127.53.51.1";
const PORT = 41_641;
const UNSUPPORTED_VERSION = Uint8Array.of(0, 0x80, 0, 1, 0, 0, 0, 9);
const EXTERNAL_ADDRESS = Uint8Array.of(0, 0x80, 0, 0, 0, 0, 0, 9, 203, 0, 113, 7);

/** A router that speaks NAT-PMP, and does not get the first request for a deletion. */
class Router {
  readonly #socket: Socket = createSocket("udp4");
  readonly asked: ("pcp" | "address" | "map" | "delete")[] = [];

  async start(): Promise<void> {
    this.#socket.on("message", (bytes, from) => {
      const answer = this.#answer(bytes);
      if (answer !== undefined) this.#socket.send(answer, from.port, from.address);
    });
    this.#socket.bind(5_351, GATEWAY);
    await once(this.#socket, "listening");
  }

  stop(): void {
    this.#socket.close();
  }

  #answer(bytes: Buffer): Uint8Array | undefined {
    if (bytes[0] !== 0) {
      this.asked.push("pcp");
      return UNSUPPORTED_VERSION;
    }
    if (bytes[1] === 0) {
      this.asked.push("address");
      return EXTERNAL_ADDRESS;
    }
    const lifetimeSeconds = bytes.readUInt32BE(8);
    this.asked.push(lifetimeSeconds === 0 ? "delete" : "map");
    if (lifetimeSeconds === 0 && this.asked.filter((one) => one === "delete").length === 1) return undefined;
    const answer = Buffer.alloc(16);
    answer[1] = 0x81;
    answer.writeUInt32BE(9, 4);
    answer.writeUInt16BE(bytes.readUInt16BE(4), 8);
    answer.writeUInt16BE(lifetimeSeconds === 0 ? 0 : PORT, 10);
    answer.writeUInt32BE(lifetimeSeconds, 12);
    return answer;
  }
}

function link(id: number, name: string): OpenLink {
  const traits = { cost: 0 };
  return { wanted: { name, boundTo: "interface", traits }, info: { id, port: PORT, ipv4: true, ipv6: true } };
}

const router = new Router();
beforeEach(() => router.start());
afterEach(() => router.stop());

test("a link that takes another one's port asks for a mapping when that of the other one is deleted", async () => {
  const mapped = new Map<number, LinkPortMapping>();
  const mappings = new LinkPortMappings({
    nonce: new Uint8Array(12),
    logger: pino({ level: "silent" }),
    findPlace: () => ({ gateway: GATEWAY, local: "127.0.0.1" }),
    onChange: (mapping) => void mapped.set(mapping.linkId, mapping),
  });
  const isMapped = (id: number): boolean => mapped.get(id)?.external?.port === PORT;
  mappings.handleLinks([link(1, "eth0")]);
  await vi.waitFor(() => expect(isMapped(1)).toBe(true));
  router.asked.length = 0;
  mappings.handleLinks([link(2, "eth1")]);
  // Another change while the deletion is under way.
  mappings.handleLinks([link(3, "eth1")]);
  await vi.waitFor(() => expect(isMapped(3)).toBe(true), { timeout: 3_000 });
  expect(router.asked.slice(0, 3)).toEqual(["delete", "delete", "pcp"]);
  expect(router.asked.slice(3)).not.toContain("delete");
  expect(mapped.has(2)).toBe(false);
  const stopped = mappings.close();
  expect(router.asked.at(-1)).toBe("map");
  await stopped;
  expect(router.asked.at(-1)).toBe("delete");
});
