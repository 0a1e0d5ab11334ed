// Every function takes the relay's handle first and returns a number (Status) or a value; none throws.
// src/relay-binding.ts is the only caller and knows the order of arguments.
#include "relay_binding.h"

#include <arpa/inet.h>

#include <memory>

#include "arguments.h"
#include "base/clock.h"
#include "relay/relay.h"

namespace asterism::binding {
namespace {

constexpr napi_type_tag HANDLE_TAG = {0x6173746572697331, 0x72656c6179486e64};

struct RelayHandle {
  napi_env env = nullptr;
  std::unique_ptr<Relay> relay;
  napi_threadsafe_function wake = nullptr;
};

using SharedHandle = std::shared_ptr<RelayHandle>;

void close_at_exit(void* data) {
  RelayHandle& handle = *static_cast<RelayHandle*>(data);
  handle.relay.reset();
  if (handle.wake != nullptr) napi_release_threadsafe_function(handle.wake, napi_tsfn_abort);
  handle.wake = nullptr;
}

void close_handle(RelayHandle& handle) {
  if (handle.wake != nullptr) napi_remove_env_cleanup_hook(handle.env, close_at_exit, &handle);
  close_at_exit(&handle);
}

napi_value number_value(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

napi_value status_value(napi_env env, Status status) { return number_value(env, static_cast<int32_t>(status)); }

void set(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

void set_text(napi_env env, napi_value object, const char* name, const char* text) {
  napi_value value;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  set(env, object, name, value);
}

void set_boolean(napi_env env, napi_value object, const char* name, bool boolean) {
  napi_value value;
  napi_get_boolean(env, boolean, &value);
  set(env, object, name, value);
}

/** Shares native memory with JavaScript for as long as either side holds it. */
template <typename T>
napi_value shared_memory(napi_env env, std::shared_ptr<T> memory) {
  napi_value buffer = nullptr;
  if (memory == nullptr) {
    napi_get_null(env, &buffer);
    return buffer;
  }
  void* data = memory.get();
  auto* keeper = new std::shared_ptr<T>(std::move(memory));
  const auto release = [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<T>*>(hint); };
  if (napi_create_external_arraybuffer(env, data, sizeof(T), release, keeper, &buffer) != napi_ok) delete keeper;
  return buffer;
}

napi_value bytes_value(napi_env env, const std::vector<uint8_t>& bytes) {
  void* data = nullptr;
  napi_value buffer, array;
  if (napi_create_arraybuffer(env, bytes.size(), &data, &buffer) != napi_ok) return nullptr;
  if (!bytes.empty()) std::copy(bytes.begin(), bytes.end(), static_cast<uint8_t*>(data));
  napi_create_typedarray(env, napi_uint8_array, bytes.size(), buffer, 0, &array);
  return array;
}

uint64_t instant_ns(double at_ms) { return at_ms > 1e12 ? ~uint64_t{0} : static_cast<uint64_t>(at_ms * NS_PER_MS); }

/** The relay of argument 0; null if it is no handle, or closed. */
Relay* relay_of(Arguments& arguments) {
  bool tagged = false;
  void* data = nullptr;
  if (arguments.raw(0) == nullptr ||
      napi_check_object_type_tag(arguments.env(), arguments.raw(0), &HANDLE_TAG, &tagged) != napi_ok || !tagged ||
      napi_get_value_external(arguments.env(), arguments.raw(0), &data) != napi_ok) {
    return nullptr;
  }
  return (*static_cast<SharedHandle*>(data))->relay.get();
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

void deliver_events(napi_env env, napi_value on_events, void* context, void*) {
  const SharedHandle handle = *static_cast<SharedHandle*>(context);
  if (env == nullptr || handle->relay == nullptr) return;
  const std::vector<RelayEvent> events = handle->relay->drain_events();
  napi_value batch;
  if (events.empty() || napi_create_array_with_length(env, events.size(), &batch) != napi_ok) return;
  for (uint32_t i = 0; i < events.size(); i++) {
    napi_handle_scope scope;
    napi_open_handle_scope(env, &scope);
    napi_set_element(env, batch, i, event_value(env, events[i]));
    napi_close_handle_scope(env, scope);
  }
  napi_value receiver, result, error;
  napi_get_undefined(env, &receiver);
  if (napi_call_function(env, receiver, on_events, 1, &batch, &result) != napi_pending_exception) return;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

bool create_wake(napi_env env, napi_value on_events, const SharedHandle& handle) {
  napi_value name;
  napi_create_string_utf8(env, "asterism-relay", NAPI_AUTO_LENGTH, &name);
  const auto finalize = [](napi_env, void*, void* context) { delete static_cast<SharedHandle*>(context); };
  auto* context = new SharedHandle(handle);
  const napi_status status = napi_create_threadsafe_function(env, on_events, nullptr, name, 0, 1, nullptr, finalize,
                                                             context, deliver_events, &handle->wake);
  if (status != napi_ok) delete context;
  return status == napi_ok;
}

napi_value wrap_handle(napi_env env, const SharedHandle& handle) {
  napi_value external = nullptr;
  const auto finalize = [](napi_env, void* data, void*) {
    auto* shared = static_cast<SharedHandle*>(data);
    close_handle(**shared);
    delete shared;
  };
  auto* owned = new SharedHandle(handle);
  if (napi_create_external(env, owned, finalize, nullptr, &external) != napi_ok) {
    delete owned;
    return nullptr;
  }
  napi_type_tag_object(env, external, &HANDLE_TAG);
  return external;
}

napi_value failure_object(napi_env env, Status status, const Failure& failure) {
  napi_value result;
  napi_create_object(env, &result);
  set(env, result, "status", status_value(env, status));
  set(env, result, "errno", number_value(env, failure.error));
  set_text(env, result, "what", failure.what);
  return result;
}

/** (threads, requestsPerSourcePerSecond, strangersPerSecond, onEvents) */
napi_value open_relay(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  RelayOptions options;
  options.threads = arguments.u32(0);
  options.limits.source_per_second = arguments.u32(1);
  options.limits.strangers_per_second = arguments.u32(2);
  napi_valuetype callback = napi_undefined;
  if (arguments.raw(3) != nullptr) napi_typeof(env, arguments.raw(3), &callback);
  const Failure failure;
  if (!arguments.valid() || callback != napi_function) return failure_object(env, Status::invalid_argument, failure);
  auto handle = std::make_shared<RelayHandle>();
  handle->env = env;
  if (!create_wake(env, arguments.raw(3), handle)) return failure_object(env, Status::system_error, failure);
  const napi_threadsafe_function wake = handle->wake;
  const auto call = [wake] { napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking); };
  const Status status = Relay::open(options, call, handle->relay);
  napi_value result = failure_object(env, status, failure);
  if (status != Status::ok) {
    napi_release_threadsafe_function(handle->wake, napi_tsfn_abort);
    handle->wake = nullptr;
    return result;
  }
  napi_add_env_cleanup_hook(env, close_at_exit, handle.get());
  set(env, result, "handle", wrap_handle(env, handle));
  set(env, result, "drops", shared_memory(env, handle->relay->drops()));
  return result;
}

/** (handle) */
napi_value close_relay(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  if (relay_of(arguments) == nullptr) return status_value(env, Status::closed);
  void* data = nullptr;
  napi_get_value_external(env, arguments.raw(0), &data);
  close_handle(**static_cast<SharedHandle*>(data));
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
