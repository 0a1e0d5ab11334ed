// Reading JavaScript arguments, with every type checked. No C++ exception, no Node-API exception.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace asterism::binding {

class Arguments {
 public:
  static constexpr size_t MAX = 12;

  Arguments(napi_env env, napi_callback_info info);

  /** False once any argument had the wrong type or range. */
  bool valid() const { return valid_; }
  napi_env env() const { return env_; }

  napi_value raw(size_t index) const { return index < count_ ? values_[index] : nullptr; }
  uint32_t u32(size_t index);
  /** A finite number, not negative. */
  double number(size_t index);
  bool boolean(size_t index);
  /** Null gives the empty string. */
  std::string text(size_t index);
  /** The bytes of a Uint8Array, valid during this call only. */
  const uint8_t* bytes(size_t index, size_t& len);
  const uint8_t* bytes_of_len(size_t index, size_t len);
  napi_value function(size_t index);

 private:
  napi_valuetype type_of(size_t index) const;

  napi_env env_;
  napi_value values_[MAX];
  size_t count_ = MAX;
  bool valid_ = true;
};

}  // namespace asterism::binding
