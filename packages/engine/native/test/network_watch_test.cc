#include <doctest/doctest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>

#include "host/network_watch.h"
#include "random.h"

using namespace asterism;
using namespace asterism::test;

namespace {

/** One rtnetlink message with one attribute. */
template <typename Header>
std::vector<uint8_t> message(uint16_t type, const Header& header, uint16_t attribute, const void* value, size_t len) {
  std::vector<uint8_t> bytes(NLMSG_SPACE(sizeof header) + RTA_SPACE(len));
  nlmsghdr head{};
  head.nlmsg_len = static_cast<uint32_t>(NLMSG_SPACE(sizeof header) + RTA_LENGTH(len));
  head.nlmsg_type = type;
  std::memcpy(bytes.data(), &head, sizeof head);
  std::memcpy(bytes.data() + NLMSG_HDRLEN, &header, sizeof header);
  rtattr place{};
  place.rta_len = static_cast<uint16_t>(RTA_LENGTH(len));
  place.rta_type = attribute;
  uint8_t* at = bytes.data() + NLMSG_SPACE(sizeof header);
  std::memcpy(at, &place, sizeof place);
  std::memcpy(at + RTA_LENGTH(0), value, len);
  return bytes;
}

std::vector<NetworkEvent> read(const std::vector<uint8_t>& bytes) {
  std::vector<NetworkEvent> events;
  read_network_events(bytes.data(), bytes.size(), events);
  return events;
}

}  // namespace

TEST_CASE("rtnetlink: links by name, with or without a carrier") {
  ifinfomsg link{};
  link.ifi_index = 7;
  link.ifi_flags = IFF_UP | IFF_RUNNING;
  const auto up = read(message(RTM_NEWLINK, link, IFLA_IFNAME, "eth0", 5));
  REQUIRE(up.size() == 1);
  CHECK(up[0].kind == NetworkEventKind::link);
  CHECK(up[0].name == "eth0");
  CHECK(up[0].running);
  CHECK(up[0].index == 7);
  link.ifi_flags = IFF_UP;
  CHECK_FALSE(read(message(RTM_NEWLINK, link, IFLA_IFNAME, "eth0", 5))[0].running);
  link.ifi_flags = IFF_LOOPBACK;
  CHECK(read(message(RTM_NEWLINK, link, IFLA_IFNAME, "lo", 3)).empty());
}

TEST_CASE("rtnetlink: addresses that can be used, and those that go") {
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_index = 3;
  const uint8_t ipv4[] = {192, 0, 2, 1};
  const auto added = read(message(RTM_NEWADDR, header, IFA_LOCAL, ipv4, sizeof ipv4));
  REQUIRE(added.size() == 1);
  CHECK(added[0].address == "192.0.2.1");
  CHECK_FALSE(added[0].gone);
  CHECK(read(message(RTM_DELADDR, header, IFA_LOCAL, ipv4, sizeof ipv4))[0].gone);
  CHECK(read(message(RTM_NEWADDR, header, IFA_LOCAL, ipv4, 3)).empty());
  header.ifa_flags = IFA_F_TENTATIVE;
  CHECK(read(message(RTM_NEWADDR, header, IFA_LOCAL, ipv4, sizeof ipv4)).empty());
  header.ifa_flags = 0;
  header.ifa_scope = RT_SCOPE_LINK;
  CHECK(read(message(RTM_NEWADDR, header, IFA_LOCAL, ipv4, sizeof ipv4)).empty());
}

TEST_CASE("rtnetlink: routes that somebody made") {
  rtmsg route{};
  route.rtm_family = AF_INET;
  route.rtm_type = RTN_UNICAST;
  route.rtm_protocol = RTPROT_DHCP;
  const uint32_t index = 4;
  const auto added = read(message(RTM_NEWROUTE, route, RTA_OIF, &index, sizeof index));
  REQUIRE(added.size() == 1);
  CHECK(added[0].index == 4);
  route.rtm_protocol = RTPROT_KERNEL;
  CHECK(read(message(RTM_NEWROUTE, route, RTA_OIF, &index, sizeof index)).empty());
}

TEST_CASE("rtnetlink: the end of a dump, and rubbish") {
  nlmsghdr done{};
  done.nlmsg_len = sizeof done;
  done.nlmsg_type = NLMSG_DONE;
  std::vector<NetworkEvent> events;
  CHECK(read_network_events(reinterpret_cast<const uint8_t*>(&done), sizeof done, events));
  Random random(5);
  ifinfomsg link{};
  const auto valid = message(RTM_NEWLINK, link, IFLA_IFNAME, "eth0", 5);
  for (int round = 0; round < 20'000; round++) {
    std::vector<uint8_t> bytes = valid;
    for (int i = 0; i < 4; i++) bytes[random.next() % bytes.size()] = static_cast<uint8_t>(random.next());
    // One of the three kinds, so that most get past the first look.
    bytes[4] = static_cast<uint8_t>(RTM_NEWLINK + 4 * (round % 3));
    bytes[5] = 0;
    bytes.resize(random.next() % (bytes.size() + 1));
    bytes.shrink_to_fit();
    read_network_events(bytes.data(), bytes.size(), events);
  }
}
