/** Turns what the host refused into an error that says how to mend it. */
import { getSystemErrorName } from "node:util";
import type { NativeFailure } from "./binding.ts";
import type { DeviceOptions, LinkOptions } from "./contract.ts";
import { EngineError, reasonOf } from "./errors.ts";

export function openFailure(failure: NativeFailure, options: DeviceOptions): EngineError {
  const reason = reasonOf(failure.status);
  const name = options.interfaceName;
  const details = { interfaceName: name, ...systemDetails(failure) };
  switch (reason) {
    case "no-permission":
      return new EngineError(
        reason,
        "Creating the network interface needs root rights (CAP_NET_ADMIN). Run the agent as root.",
        details,
      );
    case "no-tun-device":
      return new EngineError(
        reason,
        "The host has no usable /dev/net/tun. Load the module (modprobe tun); in a container, pass the device in " +
          "(--device /dev/net/tun --cap-add NET_ADMIN).",
        details,
      );
    case "interface-name-taken":
      return new EngineError(
        reason,
        `There is a network interface ${name} already. Choose another name, or remove it: ip link delete ${name}`,
        details,
      );
    case "invalid-argument":
      return new EngineError(
        reason,
        "The device options are wrong: the interface name has 1 to 15 bytes, the MTU is 576 to 65000, " +
          "the ping identifier fits 16 bits.",
        details,
      );
    case "crypto-unavailable":
      return new EngineError(reason, "This Node.js does not export OpenSSL; use an official Node.js 24.", details);
    default:
      return new EngineError(reason, `The host refused to ${failure.what || "open the device"}.`, details);
  }
}

export function linkFailure(failure: NativeFailure, options: LinkOptions): EngineError {
  const reason = reasonOf(failure.status);
  const details = { port: options.port, ...systemDetails(failure) };
  switch (reason) {
    case "port-in-use":
      return new EngineError(
        reason,
        `Another program uses UDP port ${options.port}. Choose another one, or 0 for any.`,
        details,
      );
    case "address-not-available":
      return new EngineError(reason, `${options.ipv4 ?? options.ipv6} is no address of this host.`, details);
    case "no-such-interface":
      return new EngineError(reason, `There is no network interface ${options.bindInterface}.`, details);
    case "no-permission":
      return new EngineError(reason, `The host refused to ${failure.what}: root rights are needed.`, details);
    case "invalid-argument":
      return new EngineError(reason, "A link needs a numeric IPv4 or IPv6 address and a port up to 65535.", details);
    default:
      return new EngineError(reason, `The host refused to ${failure.what || "open the link"}.`, details);
  }
}

export function watchFailure(failure: NativeFailure): EngineError {
  return new EngineError(reasonOf(failure.status), `The host refused to ${failure.what}.`, systemDetails(failure));
}

function systemDetails(failure: NativeFailure): Record<string, string> {
  return failure.errno === 0 ? {} : { system: getSystemErrorName(-failure.errno), step: failure.what };
}
