// JavaScript values out of native ones, for all functions of the module. Failures leave a value out: the environment is
// ending then.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "device/device.h"

namespace asterism::binding {

napi_value number_value(napi_env env, double number);
napi_value status_value(napi_env env, Status status);
napi_value bytes_value(napi_env env, const std::vector<uint8_t>& bytes);

void set(napi_env env, napi_value object, const char* name, napi_value value);
void set_boolean(napi_env env, napi_value object, const char* name, bool boolean);
void set_text(napi_env env, napi_value object, const char* name, const char* text);

/** { status, errno, what } */
napi_value failure_object(napi_env env, Status status, const Failure& failure);

/** What `make` gives for each event, in an array; null if there are none. */
template <typename Event>
napi_value event_batch(napi_env env, const std::vector<Event>& events, napi_value (*make)(napi_env, const Event&)) {
  napi_value batch;
  if (events.empty() || napi_create_array_with_length(env, events.size(), &batch) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < events.size(); i++) {
    // A scope per event keeps a long batch from piling up handles.
    napi_handle_scope scope;
    napi_open_handle_scope(env, &scope);
    napi_set_element(env, batch, i, make(env, events[i]));
    napi_close_handle_scope(env, scope);
  }
  return batch;
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

}  // namespace asterism::binding
