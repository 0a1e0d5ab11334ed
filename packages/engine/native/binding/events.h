// Engine events as JavaScript objects (EngineEvent of src/contract.ts).
#pragma once

#include <node_api.h>

#include "device/mailbox.h"

namespace asterism::binding {

napi_value event_value(napi_env env, const Event& event);

}  // namespace asterism::binding
