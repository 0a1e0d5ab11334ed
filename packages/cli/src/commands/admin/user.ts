import { Command } from "commander";
import { type AdminOptions, adminCommand, printDone, printList, printOne, withAdmin } from "./admin-options.ts";

export function createUserCommand(): Command {
  return new Command("user")
    .description("users, to whom devices belong")
    .addCommand(
      adminCommand("create", "create a user")
        .argument("<name>", "lower-case letters, digits and hyphens; becomes part of device names")
        .action((name: string, options: AdminOptions) =>
          withAdmin(options, async (client) => printOne(await client.createUser(name), options)),
        ),
    )
    .addCommand(
      adminCommand("list", "list the users").action((options: AdminOptions) =>
        withAdmin(options, async (client) => {
          printList(await client.listUsers(), options, ["NAME", "SINCE", "ID"], (user) => [
            user.name,
            user.createdAt,
            user.id,
          ]);
        }),
      ),
    )
    .addCommand(
      adminCommand("delete", "delete a user who has no devices and no join keys")
        .argument("<user>", "name or id")
        .action((user: string, options: AdminOptions) =>
          withAdmin(options, async (client) => {
            await client.deleteUser(user);
            printDone(`user ${user} deleted`, { deleted: user }, options);
          }),
        ),
    );
}
