import type { Static, TSchema } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { AsterismError, fail, ok, type Result } from "../errors/index.ts";

/** Checks a value that came from outside; fields that the schema does not know are left alone. */
export type Parser<T> = (input: unknown) => Result<T>;

/**
 * A checked parse function for `schema`. Its error is `invalid-input` with the path and what was expected there,
 * e.g. `join request: name must not have more than 63 characters`. `what` names the thing in messages.
 */
export function createParser<S extends TSchema>(what: string, schema: S): Parser<Static<S>> {
  let validator: Validator | undefined; // compiled at first use: most processes need few of the schemas
  return (input) => {
    validator ??= Compile(schema);
    // SAFETY: the validator accepted the value, so it has the schema's static type.
    if (validator.Check(input)) return ok(input as Static<S>);
    const first = validator.Errors(input)[0];
    return fail(invalidInput(what, first?.instancePath ?? "", first?.message ?? "is malformed"));
  };
}

/** A parse function for messages told apart by their `type` field. Of an unknown type the error's details say `unknownType`. */
export function createMessageParser<M extends { type: string }>(
  what: string,
  schemas: { readonly [T in M["type"]]: TSchema },
): Parser<M> {
  const parsers = new Map<string, Parser<unknown>>(); // bounded: one entry per schema
  for (const [type, schema] of Object.entries<TSchema>(schemas)) {
    parsers.set(type, createParser(`${what} "${type}"`, schema));
  }
  return (input) => {
    const type = typeof input === "object" && input !== null ? (input as { type?: unknown }).type : undefined;
    if (typeof type !== "string") return fail(invalidInput(what, "/type", "must be a string"));
    const parser = parsers.get(type);
    if (parser === undefined) return fail(unknownType(what, type));
    return parser(input) as Result<M>;
  };
}

/** JSON text to value, without throwing. */
export function parseJson(what: string, text: string): Result<unknown> {
  try {
    return ok(JSON.parse(text));
  } catch {
    // The engine's message repeats parts of the text, which may be secret.
    return fail(invalidInput(what, "", "is not JSON"));
  }
}

function unknownType(what: string, type: string): AsterismError<"invalid-input"> {
  return new AsterismError("invalid-input", `${what}: type is unknown: "${type.slice(0, 32)}"`, {
    details: { field: "type", unknownType: true },
  });
}

function invalidInput(what: string, path: string, problem: string): AsterismError<"invalid-input"> {
  const field = path.slice(1, 129);
  const message = field === "" ? `${what}: ${problem}` : `${what}: ${field} ${problem}`;
  return new AsterismError("invalid-input", message, { details: { field } });
}
