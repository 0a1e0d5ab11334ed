#include "arguments.h"

#include <cmath>

namespace asterism::binding {
namespace {

constexpr size_t MAX_TEXT_BYTES = 4096;

}  // namespace

Arguments::Arguments(napi_env env, napi_callback_info info) : env_(env) {
  if (napi_get_cb_info(env, info, &count_, values_, nullptr, nullptr) != napi_ok) {
    count_ = 0;
    valid_ = false;
  }
  if (count_ > MAX) count_ = MAX;
}

double Arguments::number(size_t index) {
  double value = 0;
  if (raw(index) == nullptr || napi_get_value_double(env_, raw(index), &value) != napi_ok || !std::isfinite(value) ||
      value < 0) {
    valid_ = false;
    return 0;
  }
  return value;
}

uint32_t Arguments::u32(size_t index) {
  const double value = number(index);
  if (value > 0xFFFFFFFFu || value != std::floor(value)) {
    valid_ = false;
    return 0;
  }
  return static_cast<uint32_t>(value);
}

bool Arguments::boolean(size_t index) {
  bool value = false;
  if (raw(index) == nullptr || napi_get_value_bool(env_, raw(index), &value) != napi_ok) valid_ = false;
  return value;
}

napi_value Arguments::function(size_t index) {
  valid_ = valid_ && type_of(index) == napi_function;
  return raw(index);
}

napi_valuetype Arguments::type_of(size_t index) const {
  napi_valuetype type = napi_undefined;
  if (raw(index) != nullptr) napi_typeof(env_, raw(index), &type);
  return type;
}

std::string Arguments::text(size_t index) {
  const napi_valuetype type = type_of(index);
  if (type == napi_null) return {};
  char buffer[MAX_TEXT_BYTES];
  size_t len = 0;
  if (type != napi_string || napi_get_value_string_utf8(env_, raw(index), buffer, sizeof buffer, &len) != napi_ok ||
      len + 1 >= sizeof buffer) {
    valid_ = false;
    return {};
  }
  return {buffer, len};
}

const uint8_t* Arguments::bytes(size_t index, size_t& len) {
  bool is_typed_array = false;
  napi_typedarray_type type = napi_int8_array;
  void* data = nullptr;
  if (raw(index) == nullptr || napi_is_typedarray(env_, raw(index), &is_typed_array) != napi_ok || !is_typed_array ||
      napi_get_typedarray_info(env_, raw(index), &type, &len, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    valid_ = false;
    len = 0;
    return nullptr;
  }
  static const uint8_t none = 0;
  return data == nullptr ? &none : static_cast<const uint8_t*>(data);
}

const uint8_t* Arguments::bytes_of_len(size_t index, size_t len) {
  size_t got = 0;
  const uint8_t* data = bytes(index, got);
  if (got == len) return data;
  valid_ = false;
  return nullptr;
}

}  // namespace asterism::binding
