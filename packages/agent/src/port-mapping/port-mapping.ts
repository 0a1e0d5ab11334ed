import { formatUdpAddress } from "@asterism/core/net";
import {
  type GatewayPlace,
  type LinkPortMapping,
  PortMapper,
  type PortMappingState,
  type UpnpTarget,
} from "@asterism/core/port-mapping";
import type { Instant } from "@asterism/core/time";
import type { LinkInfo } from "@asterism/engine";
import type { Logger } from "pino";
import { monotonicNow } from "../platform/clock.ts";
import { systemRandom } from "../platform/random.ts";
import { GatewaySocket } from "./gateway-socket.ts";
import { runUpnp } from "./upnp.ts";

const UPNP_LIMIT_MS = 7_000;
/** The agent's stop waits for the deletion so long at most. */
const DELETION_LIMIT_MS = 2_000;

export interface PortMappingOptions {
  readonly link: LinkInfo;
  /** 12 bytes, see `PortMapper`. */
  readonly nonce: Uint8Array;
  readonly logger: Logger;
  /** The router in front of this host at the moment. */
  readonly findPlace: () => GatewayPlace | null;
  readonly onChange: (mapping: LinkPortMapping) => void;
}

/** Keeps a mapping of one link's UDP port in the router, as long as it exists: drives a `PortMapper` with I/O. */
export class PortMapping {
  readonly #options: PortMappingOptions;
  readonly #mapper: PortMapper;
  #socket: { readonly key: string; readonly socket: GatewaySocket } | undefined;
  #place: GatewayPlace | null = null;
  #alarm: NodeJS.Timeout | undefined;
  #deletion: Promise<unknown> | undefined;
  #logged = "";
  readonly #closed = Promise.withResolvers<void>();

  constructor(options: PortMappingOptions) {
    this.#options = options;
    this.#mapper = new PortMapper({ random: systemRandom, internalPort: options.link.port, nonce: options.nonce });
    this.handleNetworkChange();
  }

  /** Addresses, links or routes have changed. */
  handleNetworkChange(): void {
    this.#place = this.#options.findPlace();
    this.#run((mapper, now) => {
      // After a sleep the alarm is late.
      mapper.handleTimeout(now);
      mapper.handleNetwork(this.#place, now);
    });
  }

  /** Deletes the mapping as far as the router answers in time. */
  async close(): Promise<void> {
    this.#run((mapper, now) => mapper.close(now));
    const { promise: tooLate, resolve } = Promise.withResolvers<void>();
    const limit = setTimeout(resolve, DELETION_LIMIT_MS);
    await Promise.race([this.#closed.promise, tooLate]);
    clearTimeout(limit);
    clearTimeout(this.#alarm);
    this.#closeSocket();
  }

  #closeSocket(): void {
    this.#socket?.socket.close();
    this.#socket = undefined;
  }

  #run(input: (mapper: PortMapper, now: Instant) => void): void {
    const mapper = this.#mapper;
    if (mapper.isClosed) return;
    input(mapper, monotonicNow());
    for (let event = mapper.pollEvent(); event !== undefined; event = mapper.pollEvent()) {
      if (event.kind === "changed") this.#report();
      else if (event.kind === "upnp-map") void this.#mapByUpnp(event, event.lifetimeSeconds);
      else this.#deletion = runUpnp({ action: "unmap", target: event, lifetimeSeconds: 0 }, DELETION_LIMIT_MS);
    }
    for (let bytes = mapper.pollTransmit(); bytes !== undefined; bytes = mapper.pollTransmit()) this.#send(bytes);
    this.#setAlarm(mapper.pollTimeout());
    if (mapper.isClosed) void Promise.resolve(this.#deletion).then(() => this.#closed.resolve());
  }

  #report(): void {
    const { state } = this.#mapper;
    const { link, onChange } = this.#options;
    this.#log(state);
    onChange({ linkId: link.id, ...state });
  }

  /** A renewal is no news. */
  #log({ external, protocol, problem }: PortMappingState): void {
    const fields = { protocol, external: external && formatUdpAddress(external), reason: problem?.text ?? null };
    const news = JSON.stringify(fields);
    if (news === this.#logged) return;
    this.#logged = news;
    const isMapped = external !== null && problem === null;
    this.#options.logger.info(fields, isMapped ? "the router maps our port" : "no port mapping");
  }

  async #mapByUpnp(target: UpnpTarget, lifetimeSeconds: number): Promise<void> {
    const { external, refusal } = await runUpnp({ action: "map", target, lifetimeSeconds }, UPNP_LIMIT_MS);
    // The answer of a router that this host has left is of no use.
    if (this.#place?.gateway !== target.gateway || this.#place.local !== target.local) return;
    this.#run((mapper, now) => {
      if (external === null) mapper.handleUpnpFailed(refusal, now);
      else mapper.handleUpnpMapped(external, now);
    });
  }

  #send(bytes: Uint8Array): void {
    const place = this.#place;
    if (place === null) return;
    const key = `${place.local} ${place.gateway}`;
    if (this.#socket?.key !== key) {
      this.#closeSocket();
      const socket = new GatewaySocket(place, {
        onMessage: (answer) => this.#run((mapper, now) => void mapper.handleDatagram(answer, now)),
        onUnreachable: () => {
          this.#closeSocket();
          this.#run((mapper, now) => mapper.handleUnreachable(now));
        },
      });
      this.#socket = { key, socket };
    }
    this.#socket.socket.send(bytes);
  }

  #setAlarm(at: Instant | undefined): void {
    clearTimeout(this.#alarm);
    if (at === undefined) return;
    this.#alarm = setTimeout(
      () => this.#run((mapper, now) => mapper.handleTimeout(now)),
      Math.max(0, Math.ceil(at - monotonicNow())),
    );
  }
}
