import { Segment } from "./segment.ts";
import { type SignallingOptions, SignallingServer } from "./signalling-server.ts";
import { VirtualHost } from "./virtual-host.ts";
import { type RouterOptions, VirtualRouter } from "./virtual-router.ts";
import { World } from "./world.ts";

/**
 * A seeded internet in memory, in virtual time: the same seed gives the same packets at the same times.
 *
 *   const net = new VirtualInternet(7);
 *   const home = net.lan("home", { outsideIpv4: "198.51.100.1", nat: { mapping: …, filtering: … } });
 *   const laptop = net.host("laptop");
 *   laptop.openSocket(laptop.connect(home.inside, { ipv4: "192.168.1.2" }), 41641);
 *   laptop.run(machine);
 *   net.world.run(5_000);
 */
export class VirtualInternet {
  readonly world: World;
  /** Where public addresses live. */
  readonly public: Segment;

  constructor(seed: number) {
    this.world = new World(seed);
    this.public = new Segment("internet", this.world);
  }

  host(name: string): VirtualHost {
    return new VirtualHost(name, this.world);
  }

  /** A segment of its own, without a way out. */
  segment(name: string): Segment {
    return new Segment(name, this.world);
  }

  /** A new segment behind a router, on the public internet or behind another router (`outside`). */
  lan(name: string, options: RouterOptions, outside: Segment = this.public): VirtualRouter {
    return new VirtualRouter(`${name}Router`, this.segment(name), outside, options, this.world);
  }

  signalling(options: SignallingOptions = {}): SignallingServer {
    return new SignallingServer(this.world, options);
  }
}
