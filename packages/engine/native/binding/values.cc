#include "values.h"

#include <cstring>

namespace asterism::binding {

napi_value number_value(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

napi_value status_value(napi_env env, Status status) { return number_value(env, static_cast<int32_t>(status)); }

napi_value bytes_value(napi_env env, const std::vector<uint8_t>& bytes) {
  void* data = nullptr;
  napi_value buffer, array = nullptr;
  if (napi_create_arraybuffer(env, bytes.size(), &data, &buffer) != napi_ok) return nullptr;
  if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
  napi_create_typedarray(env, napi_uint8_array, bytes.size(), buffer, 0, &array);
  return array;
}

void set(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

void set_boolean(napi_env env, napi_value object, const char* name, bool boolean) {
  napi_value value;
  napi_get_boolean(env, boolean, &value);
  set(env, object, name, value);
}

void set_text(napi_env env, napi_value object, const char* name, const char* text) {
  napi_value value;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  set(env, object, name, value);
}

napi_value failure_object(napi_env env, Status status, const Failure& failure) {
  napi_value result;
  napi_create_object(env, &result);
  set(env, result, "status", status_value(env, status));
  set(env, result, "errno", number_value(env, failure.error));
  set_text(env, result, "what", failure.what);
  return result;
}

}  // namespace asterism::binding
