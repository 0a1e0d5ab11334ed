import { Command } from "commander";
import { type AdminOptions, adminCommand, printDone, printList, printOne, withAdmin } from "./admin-options.ts";

interface DeviceOptions extends AdminOptions {
  readonly network?: string;
}

export function createDeviceCommand(): Command {
  return new Command("device")
    .description("devices that have joined")
    .addCommand(
      deviceCommand("list", "list the devices").action((options: DeviceOptions) =>
        withAdmin(options, async (client) => {
          const header = ["NAME", "NETWORK", "USER", "IPV4", "ONLINE", "LAST SEEN", "ID"];
          printList(await client.listDevices(options.network), options, header, (device) => [
            device.name,
            device.network,
            device.user,
            device.ipv4,
            device.online ? "yes" : "no",
            device.lastSeenAt,
            device.id,
          ]);
        }),
      ),
    )
    .addCommand(
      deviceCommand("show", "show one device")
        .argument("<device>", "name or id")
        .action((device: string, options: DeviceOptions) =>
          withAdmin(options, async (client) => printOne(await client.getDevice(device, options.network), options)),
        ),
    )
    .addCommand(
      deviceCommand("rename", "give a device another name")
        .argument("<device>", "name or id")
        .argument("<name>", "the new name")
        .action((device: string, name: string, options: DeviceOptions) =>
          withAdmin(options, async (client) => {
            const renamed = await client.renameDevice(device, name, options.network);
            printDone(`device ${device} is called ${renamed.name}`, renamed, options);
          }),
        ),
    )
    .addCommand(
      deviceCommand("remove", "end the membership of a device at once")
        .argument("<device>", "name or id")
        .action((device: string, options: DeviceOptions) =>
          withAdmin(options, async (client) => {
            await client.removeDevice(device, options.network);
            printDone(`device ${device} removed`, { removed: device }, options);
          }),
        ),
    );
}

function deviceCommand(name: string, description: string): Command {
  return adminCommand(name, description).option("--network <net>", "network of the device");
}
