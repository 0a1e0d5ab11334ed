// Engine events as JavaScript objects (EngineEvent of src/contract.ts).
#pragma once

#include <node_api.h>

#include <vector>

#include "device/mailbox.h"

namespace asterism::binding {

/** An array of events, or null if the environment refuses. */
napi_value to_javascript(napi_env env, const std::vector<Event>& events);

}  // namespace asterism::binding
