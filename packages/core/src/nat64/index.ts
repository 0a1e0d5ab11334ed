export {
  CONTINUITY_ADDRESS,
  extract,
  formatNat64Prefix,
  IPV4_ONLY_NAME,
  type Nat64Prefix,
  parseNat64Prefix,
  prefixesOf,
  synthesise,
  WELL_KNOWN_PREFIX,
} from "./nat64-prefix.ts";
