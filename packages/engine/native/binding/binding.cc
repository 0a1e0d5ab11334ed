// The engine's Node-API module. Every function takes the device handle first and returns a number
// (Status) or a value; none throws. src/binding.ts is its only caller and knows the order of arguments.
#include <node_api.h>

#include "arguments.h"
#include "base/clock.h"
#include "device/device.h"
#include "events.h"
#include "handle.h"
#include "network_binding.h"
#include "relay_binding.h"
#include "values.h"

namespace asterism::binding {
namespace {

/** Changes when the functions, their arguments or the counters' layout change: src/binding.ts expects its own value. */
constexpr uint32_t ABI_VERSION = 6;

constexpr napi_type_tag HANDLE_TAG = {0x6173746572697331, 0x656e67696e654466};

using DeviceHandle = Handle<Device>;

/** The device of argument 0; null if it is no handle, or closed. */
Device* device_of(const Arguments& arguments) {
  const DeviceHandle* handle = DeviceHandle::find(arguments, HANDLE_TAG);
  return handle == nullptr ? nullptr : handle->native.get();
}

napi_value take_events(napi_env env, Device& device) {
  return event_batch(env, device.drain_events(), event_value);
}

/** (name, mtuBytes, publicKey, pingIdentifier, threads, workers, onEvents); threads 0 and workers 0xffffffff choose */
napi_value open_device(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  DeviceOptions options;
  options.interface_name = arguments.text(0);
  options.mtu_bytes = arguments.u32(1);
  const uint8_t* key = arguments.bytes_of_len(2, sizeof options.public_key);
  const uint32_t ping_identifier = arguments.u32(3);
  options.threads = arguments.u32(4);
  options.workers = arguments.u32(5);
  const napi_value on_events = arguments.function(6);
  Failure failure;
  if (!arguments.valid() || ping_identifier > 0xFFFF) {
    return failure_object(env, Status::invalid_argument, failure);
  }
  std::copy_n(key, sizeof options.public_key, options.public_key);
  options.ping_identifier = static_cast<uint16_t>(ping_identifier);

  const auto handle = DeviceHandle::create(env, "asterism-engine", on_events, take_events);
  if (handle == nullptr) return failure_object(env, Status::system_error, failure);
  const Status status = Device::open(options, handle->waker(), handle->native, failure);
  napi_value result = failure_object(env, status, failure);
  if (status != Status::ok) {
    handle->close();
    return result;
  }
  const Device& device = *handle->native;
  const Offloads offloads = device.offloads();
  set(env, result, "handle", DeviceHandle::wrap(handle, HANDLE_TAG));
  set_text(env, result, "interfaceName", device.interface_name().c_str());
  set(env, result, "interfaceIndex", number_value(env, device.interface_index()));
  set_boolean(env, result, "tso", offloads.tso);
  set_boolean(env, result, "uso", offloads.uso);
  set_boolean(env, result, "udpGso", offloads.udp_gso);
  set_boolean(env, result, "udpGro", offloads.udp_gro);
  set(env, result, "drops", shared_memory(env, device.counters()));
  return result;
}

/** (handle) */
napi_value close_device(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  if (device_of(arguments) == nullptr) return status_value(env, Status::closed);
  DeviceHandle::find(arguments, HANDLE_TAG)->close();
  return status_value(env, Status::ok);
}

/** (handle, port, ipv4, ipv6, bindInterface, mark) */
napi_value open_link(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = device_of(arguments);
  LinkOptions options;
  const uint32_t port = arguments.u32(1);
  options.ipv4 = arguments.text(2);
  options.ipv6 = arguments.text(3);
  options.bind_interface = arguments.text(4);
  options.mark = arguments.u32(5);
  Failure failure;
  if (device == nullptr || !arguments.valid() || port > 0xFFFF || options.bind_interface.size() > 15) {
    return failure_object(env, Status::invalid_argument, failure);
  }
  options.port = static_cast<uint16_t>(port);
  const Link* link = nullptr;
  const Status status = device->open_link(options, link, failure);
  napi_value result = failure_object(env, status, failure);
  if (status != Status::ok) return result;
  set(env, result, "id", number_value(env, link->id));
  set(env, result, "port", number_value(env, link->port()));
  set_boolean(env, result, "ipv4", link->fd(false) >= 0);
  set_boolean(env, result, "ipv6", link->fd(true) >= 0);
  return result;
}

/** (handle, address, port): a stream to the relay there */
napi_value open_stream_link(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = device_of(arguments);
  const std::string address = arguments.text(1);
  const uint32_t port = arguments.u32(2);
  Failure failure;
  UdpAddress remote;
  if (device == nullptr || !arguments.valid() || port == 0 || port > 0xFFFF ||
      !parse_udp_address(address.c_str(), static_cast<uint16_t>(port), remote)) {
    return failure_object(env, Status::invalid_argument, failure);
  }
  LinkId id = 0;
  const Status status = device->open_stream_link(remote, id, failure);
  napi_value result = failure_object(env, status, failure);
  set(env, result, "id", number_value(env, id));
  return result;
}

/** (handle, linkId, bytes) */
napi_value receive_frames(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = device_of(arguments);
  const uint32_t id = arguments.u32(1);
  size_t len = 0;
  const uint8_t* bytes = arguments.bytes(2, len);
  if (device == nullptr || !arguments.valid()) return status_value(env, Status::invalid_argument);
  return status_value(env, device->receive_frames(id, bytes, len));
}

/** (handle, linkId) */
napi_value close_link(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = device_of(arguments);
  const uint32_t id = arguments.u32(1);
  if (device == nullptr || !arguments.valid()) return status_value(env, Status::invalid_argument);
  return status_value(env, device->close_link(id));
}

/** (handle): the new peer's id, or minus the status */
napi_value add_peer(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = device_of(arguments);
  if (device == nullptr) return number_value(env, -static_cast<int32_t>(Status::invalid_argument));
  PeerId id = 0;
  const Status status = device->add_peer(id);
  return number_value(env, status == Status::ok ? static_cast<double>(id) : -static_cast<int32_t>(status));
}

/** For the commands that take a peer and nothing else: (handle, peerId) */
template <Status (Device::*command)(PeerId)>
napi_value peer_command(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = device_of(arguments);
  const uint32_t id = arguments.u32(1);
  if (device == nullptr || !arguments.valid()) return status_value(env, Status::invalid_argument);
  return status_value(env, (device->*command)(id));
}

/** (handle, peerId, "prefix prefix …") */
napi_value set_allowed_ips(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = device_of(arguments);
  const uint32_t id = arguments.u32(1);
  uint32_t count = 0;
  if (device == nullptr || !arguments.valid() || napi_get_array_length(env, arguments.raw(2), &count) != napi_ok) {
    return status_value(env, Status::invalid_argument);
  }
  std::vector<Prefix> prefixes;
  for (uint32_t i = 0; i < count; i++) {
    napi_value element;
    char text[64];
    size_t len = 0;
    Prefix prefix;
    if (napi_get_element(env, arguments.raw(2), i, &element) != napi_ok ||
        napi_get_value_string_utf8(env, element, text, sizeof text, &len) != napi_ok || !parse_prefix(text, prefix)) {
      return status_value(env, Status::invalid_argument);
    }
    prefixes.push_back(prefix);
  }
  return status_value(env, device->set_allowed_ips(id, prefixes));
}

/** Reads `{ address, port }` style arguments from one element of a path array: [linkId, address, port, channel, relayed, weight, mtu] */
bool read_path(napi_env env, napi_value element, PathSpec& spec) {
  constexpr uint32_t FIELDS = 8;
  napi_value fields[FIELDS];
  for (uint32_t i = 0; i < FIELDS; i++) {
    if (napi_get_element(env, element, i, &fields[i]) != napi_ok) return false;
  }
  uint32_t port = 0, channel = 0;
  char address[64];
  size_t len = 0;
  if (napi_get_value_uint32(env, fields[0], &spec.to.link) != napi_ok ||
      napi_get_value_string_utf8(env, fields[1], address, sizeof address, &len) != napi_ok ||
      napi_get_value_uint32(env, fields[2], &port) != napi_ok ||
      napi_get_value_uint32(env, fields[3], &channel) != napi_ok ||
      napi_get_value_bool(env, fields[4], &spec.relayed) != napi_ok ||
      napi_get_value_double(env, fields[5], &spec.weight) != napi_ok ||
      napi_get_value_uint32(env, fields[6], &spec.mtu_bytes) != napi_ok ||
      napi_get_value_double(env, fields[7], &spec.cap_bytes_per_second) != napi_ok) {
    return false;
  }
  if (port == 0 || port > 0xFFFF || channel > 0xFFFF) return false;
  spec.to.channel = static_cast<uint16_t>(channel);
  return parse_udp_address(address, static_cast<uint16_t>(port), spec.to.remote);
}

/** (handle, peerId, paths, mode): array of counter slots, or the status */
napi_value set_paths(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = device_of(arguments);
  const uint32_t id = arguments.u32(1);
  const uint32_t mode = arguments.u32(3);
  uint32_t count = 0;
  if (device == nullptr || !arguments.valid() || mode > static_cast<uint32_t>(PathMode::automatic) ||
      napi_get_array_length(env, arguments.raw(2), &count) != napi_ok) {
    return status_value(env, Status::invalid_argument);
  }
  if (count > MAX_PATHS) return status_value(env, Status::too_many_paths);
  std::vector<PathSpec> specs(count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value element;
    if (napi_get_element(env, arguments.raw(2), i, &element) != napi_ok || !read_path(env, element, specs[i])) {
      return status_value(env, Status::invalid_argument);
    }
  }
  std::vector<uint8_t> slots;
  const Status status = device->set_paths(id, specs, static_cast<PathMode>(mode), slots);
  if (status != Status::ok) return status_value(env, status);
  napi_value result;
  napi_create_array_with_length(env, slots.size(), &result);
  for (uint32_t i = 0; i < slots.size(); i++) napi_set_element(env, result, i, number_value(env, slots[i]));
  return result;
}

/** (handle, peerId, localIndex, remoteIndex, sendKey, receiveKey, aead, initiator, expiresAtMs) */
napi_value install_session(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = device_of(arguments);
  const uint32_t id = arguments.u32(1);
  SessionOptions options;
  options.local_index = arguments.u32(2);
  options.remote_index = arguments.u32(3);
  options.send_key = arguments.bytes_of_len(4, 32);
  options.receive_key = arguments.bytes_of_len(5, 32);
  const uint32_t aead = arguments.u32(6);
  options.initiator = arguments.boolean(7);
  const double expires_at_ms = arguments.number(8);
  if (device == nullptr || !arguments.valid() || aead > 1) return status_value(env, Status::invalid_argument);
  options.aead = static_cast<Aead>(aead);
  options.expires_at_ns = expires_at_ms > 1e12 ? ~uint64_t{0} : static_cast<uint64_t>(expires_at_ms * NS_PER_MS);
  return status_value(env, device->install_session(id, options));
}

/** (handle, peerId, localIndex) */
napi_value remove_session(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = device_of(arguments);
  const uint32_t id = arguments.u32(1);
  const uint32_t local_index = arguments.u32(2);
  if (device == nullptr || !arguments.valid()) return status_value(env, Status::invalid_argument);
  return status_value(env, device->remove_session(id, local_index));
}

/** (handle, linkId, address, port, channel, bytes, dontFragment) */
napi_value send(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = device_of(arguments);
  PathAddress to;
  to.link = arguments.u32(1);
  const std::string address = arguments.text(2);
  const uint32_t port = arguments.u32(3);
  const uint32_t channel = arguments.u32(4);
  size_t len = 0;
  const uint8_t* bytes = arguments.bytes(5, len);
  const bool dont_fragment = arguments.boolean(6);
  if (device == nullptr || !arguments.valid() || port == 0 || port > 0xFFFF || channel > 0xFFFF ||
      !parse_udp_address(address.c_str(), static_cast<uint16_t>(port), to.remote)) {
    return status_value(env, Status::invalid_argument);
  }
  to.channel = static_cast<uint16_t>(channel);
  return status_value(env, device->send(to, bytes, len, dont_fragment));
}

/** (handle, peerId, packet) */
napi_value send_inner(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = device_of(arguments);
  const uint32_t id = arguments.u32(1);
  size_t len = 0;
  const uint8_t* packet = arguments.bytes(2, len);
  if (device == nullptr || !arguments.valid()) return status_value(env, Status::invalid_argument);
  return status_value(env, device->send_inner(id, packet, len));
}

/** (handle, index): ArrayBuffer or null */
napi_value counter_chunk(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = device_of(arguments);
  const uint32_t index = arguments.u32(1);
  return shared_memory(env, device == nullptr || !arguments.valid() ? nullptr : device->counter_chunk(index));
}

/** (): { onePass } */
napi_value describe(napi_env env, napi_callback_info) {
  const OpenSsl* ssl = openssl();
  napi_value result;
  napi_create_object(env, &result);
  set_boolean(env, result, "crypto", ssl != nullptr);
  set_boolean(env, result, "onePass", ssl != nullptr && ssl->one_pass);
  return result;
}

/** (): milliseconds of the engine's clock */
napi_value now(napi_env env, napi_callback_info) {
  return number_value(env, static_cast<double>(now_ns()) / static_cast<double>(NS_PER_MS));
}

void export_function(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  set(env, exports, name, function);
}

void export_layout(napi_env env, napi_value exports) {
  napi_value layout, reasons;
  napi_create_object(env, &layout);
  set(env, layout, "version", number_value(env, COUNTERS_LAYOUT_VERSION));
  set(env, layout, "peersPerChunk", number_value(env, PEERS_PER_CHUNK));
  set(env, layout, "peerWords", number_value(env, PEER_WORDS));
  set(env, layout, "peerHeaderWords", number_value(env, PEER_HEADER_WORDS));
  set(env, layout, "pathWords", number_value(env, PATH_WORDS));
  set(env, layout, "maxPaths", number_value(env, MAX_PATHS));
  napi_create_array_with_length(env, DROP_REASONS, &reasons);
  for (uint32_t i = 0; i < DROP_REASONS; i++) {
    napi_value name;
    napi_create_string_utf8(env, DROP_REASON_NAMES[i], NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, reasons, i, name);
  }
  set(env, layout, "dropReasons", reasons);
  set(env, exports, "layout", layout);
}

}  // namespace

napi_value initialise(napi_env env, napi_value exports) {
  set(env, exports, "abiVersion", number_value(env, ABI_VERSION));
  export_layout(env, exports);
  export_function(env, exports, "describe", describe);
  export_function(env, exports, "now", now);
  export_function(env, exports, "open", open_device);
  export_function(env, exports, "close", close_device);
  export_function(env, exports, "openLink", open_link);
  export_function(env, exports, "openStreamLink", open_stream_link);
  export_function(env, exports, "receiveFrames", receive_frames);
  export_function(env, exports, "closeLink", close_link);
  export_function(env, exports, "addPeer", add_peer);
  export_function(env, exports, "removePeer", peer_command<&Device::remove_peer>);
  export_function(env, exports, "dropStaged", peer_command<&Device::drop_staged>);
  export_function(env, exports, "sendKeepalive", peer_command<&Device::send_keepalive>);
  export_function(env, exports, "setAllowedIps", set_allowed_ips);
  export_function(env, exports, "setPaths", set_paths);
  export_function(env, exports, "installSession", install_session);
  export_function(env, exports, "removeSession", remove_session);
  export_function(env, exports, "send", send);
  export_function(env, exports, "sendInner", send_inner);
  export_function(env, exports, "counterChunk", counter_chunk);
  export_relay(env, exports);
  export_network(env, exports);
  return exports;
}

}  // namespace asterism::binding

NAPI_MODULE_INIT(/* napi_env env, napi_value exports */) { return asterism::binding::initialise(env, exports); }
