// What JavaScript holds of a native object that wakes it up: freed when closed, collected, or at the environment's end.
#pragma once

#include <node_api.h>

#include <memory>
#include <vector>

#include "arguments.h"

namespace asterism::binding {

template <typename Native>
class Handle {
 public:
  using Shared = std::shared_ptr<Handle>;
  /** An array of what has happened, null if it is nothing or the environment refuses. */
  using TakeEvents = napi_value (*)(napi_env env, Native& native);

  std::unique_ptr<Native> native;

  /** `take_events` is called on the JavaScript thread after `wake`, and what it gives goes to `on_events`. Null: failed. */
  static Shared create(napi_env env, const char* name, napi_value on_events, TakeEvents take_events) {
    auto handle = std::make_shared<Handle>();
    handle->env_ = env;
    handle->take_events_ = take_events;
    napi_value resource;
    napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &resource);
    const auto finalize = [](napi_env, void*, void* context) { delete static_cast<Shared*>(context); };
    auto* context = new Shared(handle);
    if (napi_create_threadsafe_function(env, on_events, nullptr, resource, 0, 1, nullptr, finalize, context, deliver,
                                        &handle->wake_) == napi_ok) {
      return handle;
    }
    delete context;
    return nullptr;
  }

  /** The handle of argument 0; null if it is none of this tag. */
  static Handle* find(const Arguments& arguments, const napi_type_tag& tag) {
    bool tagged = false;
    void* data = nullptr;
    const napi_value value = arguments.raw(0);
    if (value == nullptr || napi_check_object_type_tag(arguments.env(), value, &tag, &tagged) != napi_ok || !tagged ||
        napi_get_value_external(arguments.env(), value, &data) != napi_ok) {
      return nullptr;
    }
    return static_cast<Shared*>(data)->get();
  }

  /** Any thread; until `close`. */
  auto waker() const {
    return [wake = wake_] { napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking); };
  }

  /** Once `native` is there: as a value for JavaScript. */
  static napi_value wrap(const Shared& handle, const napi_type_tag& tag) {
    napi_add_env_cleanup_hook(handle->env_, at_exit, handle.get());
    handle->hooked_ = true;
    napi_value external = nullptr;
    const auto finalize = [](napi_env, void* data, void*) {
      auto* shared = static_cast<Shared*>(data);
      (*shared)->close();
      delete shared;
    };
    auto* owned = new Shared(handle);
    if (napi_create_external(handle->env_, owned, finalize, nullptr, &external) != napi_ok) {
      delete owned;
      return nullptr;
    }
    napi_type_tag_object(handle->env_, external, &tag);
    return external;
  }

  /** Idempotent. */
  void close() {
    if (hooked_ && wake_ != nullptr) napi_remove_env_cleanup_hook(env_, at_exit, this);
    release();
  }

 private:
  napi_env env_ = nullptr;
  napi_threadsafe_function wake_ = nullptr;
  TakeEvents take_events_ = nullptr;
  bool hooked_ = false;

  void release() {
    native.reset();
    if (wake_ != nullptr) napi_release_threadsafe_function(wake_, napi_tsfn_abort);
    wake_ = nullptr;
  }

  static void at_exit(void* data) { static_cast<Handle*>(data)->release(); }

  static void deliver(napi_env env, napi_value on_events, void* context, void*) {
    const Shared handle = *static_cast<Shared*>(context);
    if (env == nullptr || handle->native == nullptr) return;
    const napi_value batch = handle->take_events_(env, *handle->native);
    if (batch == nullptr) return;
    napi_value receiver, result, error;
    napi_get_undefined(env, &receiver);
    if (napi_call_function(env, receiver, on_events, 1, &batch, &result) != napi_pending_exception) return;
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
  }
};

}  // namespace asterism::binding
