export { engineNow } from "./clock.ts";
export type {
  Aead,
  DeviceOptions,
  EngineDevice,
  EngineEvent,
  EnginePath,
  LinkInfo,
  LinkOptions,
  OnEvents,
  PathCounters,
  PathMode,
  PeerCounters,
  PeerId,
  SessionOptions,
} from "./contract.ts";
export { openDevice } from "./device.ts";
export { EngineError, type EngineErrorReason } from "./errors.ts";
export { type NetworkEvent, NetworkWatch } from "./network-watch.ts";
export type {
  AllocationCounters,
  AllocationId,
  AllocationOptions,
  ListenerId,
  OnRelayEvents,
  RelayDevice,
  RelayDeviceOptions,
  RelayEvent,
  RelayListenerInfo,
  RelayListenerOptions,
} from "./relay-contract.ts";
export { openRelayDevice } from "./relay-device.ts";
