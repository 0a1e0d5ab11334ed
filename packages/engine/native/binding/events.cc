#include "events.h"

#include <arpa/inet.h>

#include "base/clock.h"
#include "values.h"

namespace asterism::binding {
namespace {

/** Sets properties of one object. Failures leave the property out: the environment is ending then. */
class Object {
 public:
  explicit Object(napi_env env) : env_(env) { napi_create_object(env, &value_); }
  napi_value value() const { return value_; }

  void set(const char* name, napi_value value) { napi_set_named_property(env_, value_, name, value); }
  void text(const char* name, const char* text) { set_text(env_, value_, name, text); }
  void number(const char* name, double number) { set(name, number_value(env_, number)); }
  void null(const char* name) {
    napi_value value;
    napi_get_null(env_, &value);
    set(name, value);
  }
  void bytes(const char* name, const std::vector<uint8_t>& bytes) {
    napi_value array = bytes_value(env_, bytes);
    if (array != nullptr) set(name, array);
  }

 private:
  napi_env env_;
  napi_value value_ = nullptr;
};

napi_value path_address(napi_env env, const PathAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  const UdpAddress& remote = address.remote;
  if (remote.is_v6()) {
    inet_ntop(AF_INET6, &remote.v6.sin6_addr, text, sizeof text);
  } else {
    inet_ntop(AF_INET, &remote.v4.sin_addr, text, sizeof text);
  }
  Object udp(env);
  udp.text("address", text);
  udp.number("port", ntohs(remote.is_v6() ? remote.v6.sin6_port : remote.v4.sin_port));
  Object path(env);
  path.number("linkId", address.link);
  path.set("remote", udp.value());
  if (address.channel == 0) {
    path.null("channel");
  } else {
    path.number("channel", address.channel);
  }
  return path.value();
}

}  // namespace

napi_value event_value(napi_env env, const Event& event) {
  Object object(env);
  switch (event.kind) {
    case EventKind::datagram:
      object.text("kind", "datagram");
      object.text("protocol", event.stun ? "stun" : "wireguard");
      object.set("from", path_address(env, event.from));
      object.bytes("bytes", event.bytes);
      break;
    case EventKind::session_needed:
      object.text("kind", "session-needed");
      object.number("peerId", event.peer);
      break;
    case EventKind::session_confirmed:
      object.text("kind", "session-confirmed");
      object.number("peerId", event.peer);
      object.number("localIndex", event.local_index);
      break;
    case EventKind::roamed:
      object.text("kind", "roamed");
      object.number("peerId", event.peer);
      object.set("from", path_address(env, event.from));
      break;
    case EventKind::inner:
      object.text("kind", "inner");
      object.number("peerId", event.peer);
      object.set("from", path_address(env, event.from));
      object.bytes("bytes", event.bytes);
      object.number("receivedAt", static_cast<double>(event.at_ns) / NS_PER_MS);
      break;
    case EventKind::path_mtu:
      object.text("kind", "path-mtu");
      object.set("to", path_address(env, event.from));
      object.number("mtuBytes", event.mtu_bytes);
      break;
    case EventKind::frames:
      object.text("kind", "frames");
      object.number("linkId", event.from.link);
      object.bytes("bytes", event.bytes);
      break;
    case EventKind::failed:
      object.text("kind", "failed");
      object.text("message", event.message.c_str());
      break;
  }
  return object.value();
}

}  // namespace asterism::binding
