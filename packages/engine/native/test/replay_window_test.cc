#include <doctest/doctest.h>

#include <set>

#include "random.h"
#include "wire/replay_window.h"

using namespace asterism;
using namespace asterism::test;

namespace {

/** Remembers everything. */
class NaiveWindow {
 public:
  bool accepts(uint64_t counter) const {
    if (seen_.count(counter) != 0) return false;
    return seen_.empty() || counter > greatest() || greatest() - counter < ReplayWindow::WINDOW;
  }
  bool commit(uint64_t counter) { return accepts(counter) && seen_.insert(counter).second; }
  uint64_t greatest() const { return *seen_.rbegin(); }
  bool empty() const { return seen_.empty(); }

 private:
  std::set<uint64_t> seen_;
};

}  // namespace

TEST_CASE("the replay window agrees with a memory of all counters") {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    Random random(seed);
    ReplayWindow window;
    NaiveWindow naive;
    const uint64_t base = seed % 3 == 0 ? uint64_t{1} << 63 : 0;
    for (int i = 0; i < 4000; i++) {
      uint64_t counter = base + random.below(300);
      if (!naive.empty()) {
        const uint64_t greatest = naive.greatest();
        const uint64_t near[] = {greatest + 1, greatest + 1 + random.below(70), greatest + random.below(20'000),
                                 greatest - std::min(greatest, random.below(9000)),
                                 greatest - std::min(greatest, uint64_t{8191}),
                                 greatest - std::min(greatest, uint64_t{8192})};
        counter = near[random.below(6)];
      }
      REQUIRE(window.accepts(counter) == naive.accepts(counter));
      if (random.chance(90)) REQUIRE(window.commit(counter) == naive.commit(counter));
    }
  }
}

TEST_CASE("the replay window is 8192 wide") {
  ReplayWindow window;
  CHECK(window.commit(10'000));
  CHECK_FALSE(window.commit(10'000));
  CHECK(window.accepts(10'000 - 8191));
  CHECK_FALSE(window.accepts(10'000 - 8192));
  CHECK(window.commit(1'000'000));
  CHECK_FALSE(window.accepts(10'001));
  CHECK(window.commit(1'000'000 - 8191));
  CHECK_FALSE(window.commit(1'000'000 - 8191));
}
