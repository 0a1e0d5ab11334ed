// The relay's functions of the Node-API module.
#pragma once

#include <node_api.h>

namespace asterism::binding {

/** Adds `relay`, an object of functions, to the module's exports. */
void export_relay(napi_env env, napi_value exports);

}  // namespace asterism::binding
