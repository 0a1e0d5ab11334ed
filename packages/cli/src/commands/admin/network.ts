import { TRAFFIC_MODES, type TrafficMode } from "@asterism/core/paths";
import { Command, Option } from "commander";
import { type AdminOptions, adminCommand, printDone, printList, printOne, withAdmin } from "./admin-options.ts";

interface CreateOptions extends AdminOptions {
  readonly kind: "ip" | "ethernet";
  readonly ipv4?: string;
}

interface SetOptions extends AdminOptions {
  readonly hardNatPunching?: "on" | "off";
  readonly mode?: TrafficMode;
}

export function createNetworkCommand(): Command {
  return new Command("network")
    .description("networks of this server")
    .addCommand(createCommand())
    .addCommand(
      adminCommand("list", "list the networks").action((options: AdminOptions) =>
        withAdmin(options, async (client) => {
          printList(await client.listNetworks(), options, ["NAME", "IPV4", "IPV6", "DEVICES", "ID"], (network) => [
            network.name,
            network.ipv4Range,
            network.ipv6Range,
            String(network.deviceCount),
            network.id,
          ]);
        }),
      ),
    )
    .addCommand(
      adminCommand("show", "show one network")
        .argument("<network>", "name or id")
        .action((network: string, options: AdminOptions) =>
          withAdmin(options, async (client) => printOne(await client.getNetwork(network), options)),
        ),
    )
    .addCommand(setCommand())
    .addCommand(
      adminCommand("delete", "delete a network with its join keys")
        .argument("<network>", "name or id")
        .option("--force", "also if it has devices, which are removed")
        .action((network: string, options: AdminOptions & { readonly force?: boolean }) =>
          withAdmin(options, async (client) => {
            await client.deleteNetwork(network, options.force === true);
            printDone(`network ${network} deleted`, { deleted: network }, options);
          }),
        ),
    );
}

function setCommand(): Command {
  return adminCommand("set", "change settings of a network; its devices hear of it at once")
    .argument("<network>", "name or id")
    .addOption(
      new Option(
        "--hard-nat-punching <on|off>",
        "whether devices may try many ports to get a direct path through NATs that leave no other way",
      ).choices(["on", "off"]),
    )
    .addOption(
      new Option("--mode <mode>", "how devices send to each other over several paths, unless told otherwise").choices(
        TRAFFIC_MODES,
      ),
    )
    .action((network: string, options: SetOptions, command: Command) => {
      const { hardNatPunching, mode } = options;
      if (hardNatPunching === undefined && mode === undefined) {
        command.error("error: name a setting: --hard-nat-punching or --mode");
      }
      const change = {
        ...(hardNatPunching === undefined ? {} : { hardNatPunching: hardNatPunching === "on" }),
        ...(mode === undefined ? {} : { mode }),
      };
      return withAdmin(options, async (client) => printOne(await client.changeNetwork(network, change), options));
    });
}

function createCommand(): Command {
  return adminCommand("create", "create a network")
    .argument("<name>", "lower-case letters, digits and hyphens; becomes part of every device's DNS name")
    .addOption(new Option("--kind <kind>", "kind of network").choices(["ip", "ethernet"]).default("ip"))
    .option("--ipv4 <cidr>", "range of its addresses, e.g. 10.20.0.0/16 (default: a free private /16)")
    .action((name: string, options: CreateOptions) =>
      withAdmin(options, async (client) => {
        const { kind, ipv4 } = options;
        const network = await client.createNetwork({ name, kind, ...(ipv4 === undefined ? {} : { ipv4Range: ipv4 }) });
        printOne(network, options);
      }),
    );
}
