/** Two network namespaces joined by a veth pair: 10.99.0.1 / fd99::1 and 10.99.0.2 / fd99::2. */
import { execFileSync } from "node:child_process";

export interface Side {
  readonly namespace: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

export class NetnsPair {
  readonly a: Side;
  readonly b: Side;

  constructor(tag: string) {
    const prefix = `eng-${process.pid}-${tag}`;
    this.a = { namespace: `${prefix}-a`, ipv4: "10.99.0.1", ipv6: "fd99::1" };
    this.b = { namespace: `${prefix}-b`, ipv4: "10.99.0.2", ipv6: "fd99::2" };
    this.remove();
    for (const side of [this.a, this.b]) ip("netns", "add", side.namespace);
    ip(
      "-n",
      this.a.namespace,
      "link",
      "add",
      "veth0",
      "type",
      "veth",
      "peer",
      "name",
      "veth0",
      "netns",
      this.b.namespace,
    );
    for (const side of [this.a, this.b]) {
      inNamespace(
        side.namespace,
        "sysctl",
        "-qw",
        "net.ipv6.conf.all.accept_dad=0",
        "net.ipv6.conf.default.accept_dad=0",
      );
      ip("-n", side.namespace, "link", "set", "lo", "up");
      ip("-n", side.namespace, "addr", "add", `${side.ipv4}/24`, "dev", "veth0");
      ip("-n", side.namespace, "-6", "addr", "add", `${side.ipv6}/64`, "dev", "veth0", "nodad");
      ip("-n", side.namespace, "link", "set", "veth0", "up");
    }
  }

  remove(): void {
    for (const side of [this.a, this.b]) {
      try {
        execFileSync("ip", ["netns", "delete", side.namespace], { stdio: "ignore" });
      } catch {
        // It was not there.
      }
    }
  }
}

export function ip(...parameters: string[]): string {
  return execFileSync("ip", parameters, { encoding: "utf8" });
}

export function inNamespace(namespace: string, command: string, ...parameters: string[]): string {
  return execFileSync("ip", ["netns", "exec", namespace, command, ...parameters], {
    encoding: "utf8",
    timeout: 60_000,
  });
}
