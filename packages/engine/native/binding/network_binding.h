// The functions of the Node-API module about the host's network.
#pragma once

#include <node_api.h>

namespace asterism::binding {

/** Adds `network`, an object of functions, to the module's exports. */
void export_network(napi_env env, napi_value exports);

}  // namespace asterism::binding
