// Every function takes the relay's handle first and returns a number (Status) or a value; none throws.
// src/relay-binding.ts is the only caller and knows the order of arguments.
#include "relay_binding.h"

#include <arpa/inet.h>

#include "arguments.h"
#include "base/clock.h"
#include "handle.h"
#include "relay/relay.h"
#include "values.h"

namespace asterism::binding {
namespace {

constexpr napi_type_tag HANDLE_TAG = {0x6173746572697331, 0x72656c6179486e64};

using RelayHandle = Handle<Relay>;

uint64_t instant_ns(double at_ms) { return at_ms > 1e12 ? ~uint64_t{0} : static_cast<uint64_t>(at_ms * NS_PER_MS); }

/** The relay of argument 0; null if it is no handle, or closed. */
Relay* relay_of(const Arguments& arguments) {
  const RelayHandle* handle = RelayHandle::find(arguments, HANDLE_TAG);
  return handle == nullptr ? nullptr : handle->native.get();
}

/** An address and a port from two arguments. */
bool read_address(Arguments& arguments, size_t index, UdpAddress& address) {
  const std::string text = arguments.text(index);
  const uint32_t port = arguments.u32(index + 1);
  return arguments.valid() && port <= 0xFFFF && parse_udp_address(text.c_str(), static_cast<uint16_t>(port), address);
}

napi_value event_value(napi_env env, const RelayEvent& event) {
  napi_value object;
  napi_create_object(env, &object);
  if (event.request) {
    char text[INET6_ADDRSTRLEN] = "";
    const bool v6 = event.from.is_v6();
    inet_ntop(v6 ? AF_INET6 : AF_INET, v6 ? static_cast<const void*>(&event.from.v6.sin6_addr) : &event.from.v4.sin_addr,
              text, sizeof text);
    napi_value from;
    napi_create_object(env, &from);
    set_text(env, from, "address", text);
    set(env, from, "port", number_value(env, ntohs(event.from.v4.sin_port)));
    set_text(env, object, "kind", "request");
    set_boolean(env, object, "classic", event.classic);
    set(env, object, "listenerId", number_value(env, event.listener));
    set(env, object, "from", from);
  } else {
    set_text(env, object, "kind", "frames");
    set(env, object, "allocationId", number_value(env, event.allocation));
  }
  set(env, object, "bytes", bytes_value(env, event.bytes));
  return object;
}

napi_value take_events(napi_env env, Relay& relay) {
  return event_batch(env, relay.drain_events(), event_value);
}

/** (threads, requestsPerSourcePerSecond, strangersPerSecond, onEvents) */
napi_value open_relay(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  RelayOptions options;
  options.threads = arguments.u32(0);
  options.limits.source_per_second = arguments.u32(1);
  options.limits.strangers_per_second = arguments.u32(2);
  const napi_value on_events = arguments.function(3);
  const Failure failure;
  if (!arguments.valid()) return failure_object(env, Status::invalid_argument, failure);
  const auto handle = RelayHandle::create(env, "asterism-relay", on_events, take_events);
  if (handle == nullptr) return failure_object(env, Status::system_error, failure);
  const Status status = Relay::open(options, handle->waker(), handle->native);
  napi_value result = failure_object(env, status, failure);
  if (status != Status::ok) {
    handle->close();
    return result;
  }
  set(env, result, "handle", RelayHandle::wrap(handle, HANDLE_TAG));
  set(env, result, "drops", shared_memory(env, handle->native->drops()));
  return result;
}

/** (handle) */
napi_value close_relay(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  if (relay_of(arguments) == nullptr) return status_value(env, Status::closed);
  RelayHandle::find(arguments, HANDLE_TAG)->close();
  return status_value(env, Status::ok);
}

/** (handle, port, ipv4, ipv6) */
napi_value open_listener(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Relay* relay = relay_of(arguments);
  LinkOptions options;
  const uint32_t port = arguments.u32(1);
  options.ipv4 = arguments.text(2);
  options.ipv6 = arguments.text(3);
  Failure failure;
  if (relay == nullptr || !arguments.valid() || port > 0xFFFF) {
    return failure_object(env, relay == nullptr ? Status::closed : Status::invalid_argument, failure);
  }
  options.port = static_cast<uint16_t>(port);
  const RelayListener* listener = nullptr;
  const Status status = relay->open_listener(options, listener, failure);
  napi_value result = failure_object(env, status, failure);
  if (status != Status::ok) return result;
  set(env, result, "id", number_value(env, listener->id));
  set(env, result, "port", number_value(env, listener->ingress(0).link.port()));
  return result;
}

/** (handle, listenerId) */
napi_value close_listener(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Relay* relay = relay_of(arguments);
  const uint32_t id = arguments.u32(1);
  if (relay == nullptr || !arguments.valid()) return status_value(env, Status::invalid_argument);
  return status_value(env, relay->close_listener(id));
}

/** (handle, listenerId or -1, clientAddress, clientPort, ipv4, ipv4Port, ipv6, ipv6Port, user, bytesPerSecond, expiresAtMs) */
napi_value open_allocation(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Relay* relay = relay_of(arguments);
  AllocationOptions options;
  napi_valuetype listener = napi_undefined;
  if (arguments.raw(1) != nullptr) napi_typeof(env, arguments.raw(1), &listener);
  options.udp_client = listener == napi_number;
  bool client_valid = true;
  if (options.udp_client) {
    options.client.listener = arguments.u32(1);
    client_valid = read_address(arguments, 2, options.client.address);
  }
  options.ipv4 = arguments.text(4);
  const uint32_t ipv4_port = arguments.u32(5);
  options.ipv6 = arguments.text(6);
  const uint32_t ipv6_port = arguments.u32(7);
  options.user = arguments.u32(8);
  const double bytes_per_second = arguments.number(9);
  options.expires_at_ns = instant_ns(arguments.number(10));
  Failure failure;
  if (relay == nullptr || !arguments.valid() || !client_valid || ipv4_port > 0xFFFF || ipv6_port > 0xFFFF ||
      bytes_per_second > 1e12) {
    return failure_object(env, relay == nullptr ? Status::closed : Status::invalid_argument, failure);
  }
  options.ipv4_port = static_cast<uint16_t>(ipv4_port);
  options.ipv6_port = static_cast<uint16_t>(ipv6_port);
  options.user_bytes_per_second = static_cast<uint64_t>(bytes_per_second);
  uint32_t id = 0;
  const Status status = relay->open_allocation(options, id, failure);
  napi_value result = failure_object(env, status, failure);
  set(env, result, "id", number_value(env, id));
  return result;
}

/** (handle, allocationId) */
napi_value close_allocation(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Relay* relay = relay_of(arguments);
  const uint32_t id = arguments.u32(1);
  if (relay == nullptr || !arguments.valid()) return status_value(env, Status::invalid_argument);
  return status_value(env, relay->close_allocation(id));
}

/** (handle, allocationId, expiresAtMs) */
napi_value set_expiry(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Relay* relay = relay_of(arguments);
  const uint32_t id = arguments.u32(1);
  const double expires_at_ms = arguments.number(2);
  if (relay == nullptr || !arguments.valid()) return status_value(env, Status::invalid_argument);
  return status_value(env, relay->set_expiry(id, instant_ns(expires_at_ms)));
}

/** (handle, allocationId, address, relayedOnly, expiresAtMs) */
napi_value set_permission(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Relay* relay = relay_of(arguments);
  const uint32_t id = arguments.u32(1);
  const std::string address = arguments.text(2);
  const bool relayed_only = arguments.boolean(3);
  const double expires_at_ms = arguments.number(4);
  UdpAddress peer;
  if (relay == nullptr || !arguments.valid() || !parse_udp_address(address.c_str(), 0, peer)) {
    return status_value(env, Status::invalid_argument);
  }
  return status_value(env, relay->set_permission(id, peer, relayed_only, instant_ns(expires_at_ms)));
}

/** (handle, allocationId, channel, address, port, expiresAtMs) */
napi_value set_channel(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Relay* relay = relay_of(arguments);
  const uint32_t id = arguments.u32(1);
  const uint32_t channel = arguments.u32(2);
  UdpAddress peer;
  const bool peer_valid = read_address(arguments, 3, peer);
  const double expires_at_ms = arguments.number(5);
  if (relay == nullptr || !arguments.valid() || !peer_valid || channel > 0xFFFF) {
    return status_value(env, Status::invalid_argument);
  }
  return status_value(env, relay->set_channel(id, static_cast<uint16_t>(channel), peer, instant_ns(expires_at_ms)));
}

/** (handle, listenerId, address, port, bytes) */
napi_value reply(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Relay* relay = relay_of(arguments);
  const uint32_t listener = arguments.u32(1);
  UdpAddress to;
  const bool to_valid = read_address(arguments, 2, to);
  size_t len = 0;
  const uint8_t* bytes = arguments.bytes(4, len);
  if (relay == nullptr || !arguments.valid() || !to_valid) return status_value(env, Status::invalid_argument);
  return status_value(env, relay->reply(listener, to, bytes, len));
}

/** (handle, allocationId, bytes) */
napi_value send_frames(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Relay* relay = relay_of(arguments);
  const uint32_t id = arguments.u32(1);
  size_t len = 0;
  const uint8_t* bytes = arguments.bytes(2, len);
  if (relay == nullptr || !arguments.valid()) return status_value(env, Status::invalid_argument);
  return status_value(env, relay->send_frames(id, bytes, len));
}

/** (handle, index): ArrayBuffer or null */
napi_value counter_chunk(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Relay* relay = relay_of(arguments);
  const uint32_t index = arguments.u32(1);
  return shared_memory(env, relay == nullptr || !arguments.valid() ? nullptr : relay->counter_chunk(index));
}

void export_function(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  set(env, exports, name, function);
}

napi_value layout_value(napi_env env) {
  napi_value layout, reasons;
  napi_create_object(env, &layout);
  set(env, layout, "allocationsPerChunk", number_value(env, ALLOCATIONS_PER_CHUNK));
  set(env, layout, "allocationWords", number_value(env, ALLOCATION_WORDS));
  set(env, layout, "maxAllocations", number_value(env, MAX_ALLOCATIONS));
  napi_create_array_with_length(env, RELAY_DROP_REASONS, &reasons);
  for (uint32_t i = 0; i < RELAY_DROP_REASONS; i++) {
    napi_value name;
    napi_create_string_utf8(env, RELAY_DROP_NAMES[i], NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, reasons, i, name);
  }
  set(env, layout, "dropReasons", reasons);
  return layout;
}

}  // namespace

void export_relay(napi_env env, napi_value exports) {
  napi_value relay;
  napi_create_object(env, &relay);
  set(env, relay, "layout", layout_value(env));
  export_function(env, relay, "open", open_relay);
  export_function(env, relay, "close", close_relay);
  export_function(env, relay, "openListener", open_listener);
  export_function(env, relay, "closeListener", close_listener);
  export_function(env, relay, "openAllocation", open_allocation);
  export_function(env, relay, "closeAllocation", close_allocation);
  export_function(env, relay, "setExpiry", set_expiry);
  export_function(env, relay, "setPermission", set_permission);
  export_function(env, relay, "setChannel", set_channel);
  export_function(env, relay, "reply", reply);
  export_function(env, relay, "sendFrames", send_frames);
  export_function(env, relay, "counterChunk", counter_chunk);
  set(env, exports, "relay", relay);
}

}  // namespace asterism::binding
