import type { Command } from "commander";
import { type AdminOptions, adminCommand, adminGroup, printOne, withAdmin } from "./admin-options.ts";
import { createDeviceCommand } from "./device.ts";
import { createKeyCommand } from "./key.ts";
import { createNetworkCommand } from "./network.ts";
import { createRelayCommand } from "./relay.ts";
import { createTokenCommand } from "./token.ts";
import { createUserCommand } from "./user.ts";

/** `asterism admin …`: what the portal and the REST API do, on the command line. */
export function createAdminCommand(): Command {
  return adminGroup("admin", "manage a server: networks, join keys, devices, relays, users, tokens")
    .addCommand(
      adminCommand("info", "show the server's URL and certificate fingerprint").action((options: AdminOptions) =>
        withAdmin(options, async (client) => printOne(await client.info(), options)),
      ),
    )
    .addCommand(createNetworkCommand())
    .addCommand(createKeyCommand())
    .addCommand(createDeviceCommand())
    .addCommand(createRelayCommand())
    .addCommand(createUserCommand())
    .addCommand(createTokenCommand());
}
