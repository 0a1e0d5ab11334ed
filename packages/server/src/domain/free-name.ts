import { AsterismError } from "@asterism/core/errors";

const MAX_LABEL_CHARACTERS = 63;

/** The first of `name`, `name-2`, `name-3` … that is not taken; the name is shortened where the number needs room. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  const base = name.replace(/-[0-9]{1,5}$/, "");
  for (let number = 2; ; number++) {
    const suffix = `-${number}`;
    const candidate = base.slice(0, MAX_LABEL_CHARACTERS - suffix.length).replace(/-+$/, "") + suffix;
    if (!taken.has(candidate)) return candidate;
  }
}

/** Part of a name that all names which `freeName` could try begin with. */
export function namePrefix(name: string): string {
  return name
    .replace(/-[0-9]{1,5}$/, "")
    .slice(0, MAX_LABEL_CHARACTERS - 8)
    .replace(/-+$/, "");
}

export function nameTaken(name: string, suggestion: string): AsterismError<"name-taken"> {
  return new AsterismError(
    "name-taken",
    `Another device of the network is called "${name}". "${suggestion}" is free: asterism join … --name ${suggestion}`,
    { details: { name, suggestion } },
  );
}
