/**
 * What an operation changed, told to whoever has to know: the control streams are brought up to date from it.
 * An operation that changed nothing gives an empty list.
 */
export type Change =
  /** Members of the network see another map. */
  | { readonly kind: "map"; readonly networkId: string; readonly version: number }
  /** Members of the network have other relays. */
  | { readonly kind: "relays"; readonly networkId: string }
  /** The node is a member no more: its stream ends. */
  | { readonly kind: "removed"; readonly networkId: string; readonly nodeId: string; readonly reason: string };

/** The outcome of an operation together with what it changed. */
export interface Outcome<T> {
  readonly value: T;
  readonly changes: readonly Change[];
}

export function unchanged<T>(value: T): Outcome<T> {
  return { value, changes: [] };
}
