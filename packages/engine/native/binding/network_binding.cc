// src/network-watch.ts is the only caller.
#include "network_binding.h"

#include "arguments.h"
#include "handle.h"
#include "host/network_watch.h"
#include "values.h"

namespace asterism::binding {
namespace {

constexpr napi_type_tag HANDLE_TAG = {0x6173746572697331, 0x6e6574776f726b57};

using WatchHandle = Handle<NetworkWatch>;

const char* kind_name(NetworkEventKind kind) {
  switch (kind) {
    case NetworkEventKind::link:
      return "link";
    case NetworkEventKind::address:
      return "address";
    case NetworkEventKind::route:
      return "route";
    case NetworkEventKind::ready:
      return "ready";
    case NetworkEventKind::lost:
      return "lost";
  }
  return "lost";
}

napi_value event_value(napi_env env, const NetworkEvent& event) {
  napi_value object;
  napi_create_object(env, &object);
  set_text(env, object, "kind", kind_name(event.kind));
  if (event.kind == NetworkEventKind::ready || event.kind == NetworkEventKind::lost) return object;
  set_boolean(env, object, "gone", event.gone);
  set(env, object, "index", number_value(env, event.index));
  if (event.kind == NetworkEventKind::link) {
    set_boolean(env, object, "running", event.running);
    set_text(env, object, "name", event.name.c_str());
  }
  if (event.kind == NetworkEventKind::address) set_text(env, object, "address", event.address.c_str());
  return object;
}

napi_value take_events(napi_env env, NetworkWatch& watch) {
  return event_batch(env, watch.drain(), event_value);
}

/** (onEvents) */
napi_value watch(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const napi_value on_events = arguments.function(0);
  Failure failure;
  if (!arguments.valid()) return failure_object(env, Status::invalid_argument, failure);
  const auto handle = WatchHandle::create(env, "asterism-network", on_events, take_events);
  if (handle == nullptr) return failure_object(env, Status::system_error, failure);
  const Status status = NetworkWatch::open(handle->waker(), handle->native, failure.error);
  failure.what = "listen to rtnetlink";
  napi_value result = failure_object(env, status, failure);
  if (status != Status::ok) {
    handle->close();
    return result;
  }
  set(env, result, "handle", WatchHandle::wrap(handle, HANDLE_TAG));
  return result;
}

/** (handle) */
napi_value unwatch(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  WatchHandle* handle = WatchHandle::find(arguments, HANDLE_TAG);
  if (handle != nullptr) handle->close();
  return status_value(env, handle == nullptr ? Status::invalid_argument : Status::ok);
}

}  // namespace

void export_network(napi_env env, napi_value exports) {
  napi_value network, function;
  napi_create_object(env, &network);
  napi_create_function(env, "watch", NAPI_AUTO_LENGTH, watch, nullptr, &function);
  set(env, network, "watch", function);
  napi_create_function(env, "unwatch", NAPI_AUTO_LENGTH, unwatch, nullptr, &function);
  set(env, network, "unwatch", function);
  set(env, exports, "network", network);
}

}  // namespace asterism::binding
